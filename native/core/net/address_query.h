// Quick questions to the kernel on a private socket, for a thread that may wait: what is
// configured here, and which interface would carry an address. Changes nothing. A dump waits for
// the kernel-wide lock if somebody holds it, so never on the engine thread.
#pragma once

#include "core/net/netlink.h"

namespace twinbeat::net {

struct RouteAnswer {
  uint32_t ifindex = 0;
  char interface[kInterfaceNameBytes] = {};
  uint8_t prefix = 0;          // of the route that matched; 0: only the default route does
  bool has_gateway = false;    // not directly on that link
  bool is_local = false;       // the address is configured here already, on `interface`
};

class AddressQuery {
 public:
  [[nodiscard]] int open() noexcept { return socket_.open(0); }
  void close() noexcept { socket_.close(); }

  // Every address of one family; valid until the next call. Returns an errno.
  [[nodiscard]] int addresses(uint8_t family, const AddressTable*& out) noexcept;
  // ENETUNREACH: no route. The interface is the one that would carry the address.
  [[nodiscard]] int route(uint8_t family, const Address& address, RouteAnswer& out) noexcept;
  // ENODEV: no such interface.
  [[nodiscard]] int interface_name(uint32_t ifindex, char (&out)[kInterfaceNameBytes]) noexcept;

 private:
  NetlinkSocket socket_;
  AddressTable table_;
};

}  // namespace twinbeat::net
