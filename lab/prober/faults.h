// What is asked for on standard input. A fault is done here, by the thread that measures, so that nothing lies between it
// and its stamp: signals to processes, and ports of the switch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "events.h"
#include "options.h"

namespace prober {

class Faults {
 public:
  /// Moves the calling thread to the switch, if one is named, to have a socket there.
  Faults(const Options& options, Journal& journal);

  /// False when standard input has ended.
  [[nodiscard]] bool read() noexcept;

 private:
  void obey(std::string_view line) noexcept;
  void tell(Kind kind, std::int64_t at_ns, std::string_view text, std::int64_t error) noexcept;
  [[nodiscard]] int signal_all(int signal, std::string_view pids) noexcept;
  [[nodiscard]] int set_ports(std::string_view what, std::string_view rest) noexcept;
  [[nodiscard]] int send_links(const void* bytes, std::size_t size, int count) noexcept;

  Journal& journal_;
  int netlink_ = -1;
  std::string pending_;
};

}  // namespace prober
