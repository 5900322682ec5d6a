// Who has a watched address: told by each node's own kernel as it changes, and asked each tick, so that a lost or late
// notice is seen as such.
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <vector>

#include "events.h"
#include "options.h"

namespace prober {

class Holders {
 public:
  /// Opens sockets in every node; moves the calling thread.
  Holders(const Options& options, Journal& journal);

  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] int monitor_fd(std::size_t node) const { return nodes_[node].monitor; }
  void read_monitor(std::size_t node) noexcept;
  /// The state of a few addresses on every node; the next few at the next call.
  void poll(std::int64_t at_ns) noexcept;

 private:
  enum class State : std::uint8_t { kUnknown, kAbsent, kHeld };
  struct Node {
    int monitor = -1;
    int v4 = -1;
    int v6 = -1;
    std::vector<State> states;
  };

  void read_message(std::size_t node, const nlmsghdr* message, std::int64_t at_ns) noexcept;
  [[nodiscard]] int index_of(int family, const void* bytes) const noexcept;
  [[nodiscard]] bool is_held(const Node& node, const Endpoint& address) const noexcept;

  const std::vector<Endpoint>& addresses_;
  Journal& journal_;
  std::vector<Node> nodes_;
  std::size_t next_ = 0;
};

}  // namespace prober
