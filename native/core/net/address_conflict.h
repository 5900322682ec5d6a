// Hears other machines claim addresses: ARP and neighbour discovery through packet sockets whose
// filters let only the wanted addresses through, so that a busy network costs a filter run in the
// kernel and nothing here. Netlink thread only.
#pragma once

#include "core/base/fixed_vector.h"
#include "core/net/garp.h"

namespace twinbeat::net {

// Watched addresses and those just being probed. Two filter instructions for each place an IPv4
// address can stand, four for each IPv6 one, in a program of at most 4096.
inline constexpr size_t kWantedMax = 512;

struct WantedAddress {
  Address address{};
  uint8_t family = 0;
};
using WantedList = FixedVector<WantedAddress, kWantedMax>;

struct HeardClaim {
  Claim claim;
  uint32_t ifindex = 0;
};

class ClaimSink {
 public:
  virtual void claim_heard(const HeardClaim& heard) = 0;

 protected:
  ~ClaimSink() = default;
};

class ConflictListener {
 public:
  ~ConflictListener() { close(); }
  // Opens both sockets with a filter that passes nothing. Returns an errno.
  [[nodiscard]] int open() noexcept;
  void close() noexcept;
  [[nodiscard]] int arp_fd() const noexcept { return arp_fd_; }
  [[nodiscard]] int neighbour_fd() const noexcept { return neighbour_fd_; }

  // Replaces the filters. Returns an errno; the old filter stays then.
  [[nodiscard]] int listen_for(const WantedList& wanted) noexcept;
  // Passes on every well-formed claim that waits, at most a bounded number.
  void drain(ClaimSink& sink) noexcept;
  [[nodiscard]] uint64_t malformed() const noexcept { return malformed_; }

 private:
  void drain_socket(int fd, uint8_t family, ClaimSink& sink) noexcept;

  int arp_fd_ = -1;
  int neighbour_fd_ = -1;
  uint64_t malformed_ = 0;
};

}  // namespace twinbeat::net
