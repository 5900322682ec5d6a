// ARP and neighbour advertisements of the watched addresses, as they pass one interface, with the kernel's stamps. Can also
// ask who has the first address, with a sender of its own making: the answers show every machine that answers for it,
// and no neighbour table of the client is touched.
#pragma once

#include <cstdint>

#include "events.h"
#include "options.h"

namespace prober {

class Announcements {
 public:
  /// The calling thread is in the right namespace already.
  Announcements(const PortSpec& port, Where where, const Options& options, Journal& journal);

  [[nodiscard]] int arp_fd() const { return arp_; }
  [[nodiscard]] int ip6_fd() const { return ip6_; }
  void read(int fd, std::int64_t to_monotonic_ns) noexcept;
  void ask() noexcept;

 private:
  void read_arp(const std::uint8_t* frame, std::size_t size, std::int64_t at_ns) noexcept;
  void read_advertisement(const std::uint8_t* frame, std::size_t size, std::int64_t at_ns) noexcept;
  void put(Kind kind, std::size_t address, const std::uint8_t* mac, std::int64_t at_ns) noexcept;

  const std::vector<Endpoint>& addresses_;
  Journal& journal_;
  Where where_;
  int arp_ = -1;
  int ip6_ = -1;
};

}  // namespace prober
