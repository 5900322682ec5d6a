// How far apart heartbeats arrive, whoever sends them and whatever is judged of it: seen on a bridge of the switch with the
// kernel's stamps, for each sender. Heartbeats are datagrams to one port, or VRRP.
#pragma once

#include <cstdint>

#include "events.h"
#include "options.h"

namespace prober {

class Gaps {
 public:
  /// The calling thread is in the right namespace already.
  Gaps(const Options& options, Journal& journal);

  [[nodiscard]] int fd() const { return fd_; }
  void read(std::int64_t to_monotonic_ns) noexcept;

 private:
  static constexpr std::size_t kSendersMax = 16;
  struct Sender {
    std::uint8_t mac[6] = {};
    std::int64_t last_ns = 0;
  };

  void seen(const std::uint8_t* mac, std::int64_t at_ns) noexcept;

  Journal& journal_;
  std::int64_t least_ns_;
  int fd_ = -1;
  Sender senders_[kSendersMax];
};

}  // namespace prober
