// What is configured on this machine, read when somebody asks and kept until something changes it.
// One dump serves a whole batch. Netlink thread only.
#pragma once

#include "core/net/netlink.h"

namespace twinbeat::net {

class AddressView {
 public:
  explicit AddressView(NetlinkSocket& socket) noexcept : socket_(socket) {}

  // nullptr when the kernel would not tell.
  [[nodiscard]] AddressTable* table(uint8_t family) noexcept {
    AddressTable& table = family == 4 ? ipv4_ : ipv6_;
    if (!table.valid && dump_addresses(socket_, family, table) != 0) return nullptr;
    return &table;
  }
  void invalidate(uint8_t family) noexcept { (family == 4 ? ipv4_ : ipv6_).valid = false; }
  void invalidate() noexcept {
    ipv4_.valid = false;
    ipv6_.valid = false;
  }

 private:
  NetlinkSocket& socket_;
  AddressTable ipv4_;
  AddressTable ipv6_;
};

}  // namespace twinbeat::net
