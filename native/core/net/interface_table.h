// The interfaces of this namespace as the kernel last told: names, MACs, up and carrier.
#pragma once

#include "core/base/fixed_vector.h"
#include "core/net/nl_message.h"

namespace twinbeat::net {

// A host of containers has hundreds of veth ends. Beyond the limit an interface is unknown here:
// steps that name it fail with ENODEV, and the counter `interfaces_dropped` tells.
inline constexpr size_t kInterfacesMax = 1024;

class InterfaceTable {
 public:
  [[nodiscard]] const InterfaceRecord* by_index(uint32_t ifindex) const noexcept;
  [[nodiscard]] const InterfaceRecord* by_name(const char* name) const noexcept;
  // The step's way: the name if there is one, else the index.
  [[nodiscard]] const InterfaceRecord* resolve(const char* name, uint32_t ifindex) const noexcept;
  [[nodiscard]] bool is_own_mac(const Mac& mac) const noexcept;

  // False when the table is full.
  [[nodiscard]] bool put(const InterfaceRecord& record) noexcept;
  void erase(uint32_t ifindex) noexcept;
  void clear() noexcept { records_.clear(); }
  [[nodiscard]] size_t size() const noexcept { return records_.size(); }
  [[nodiscard]] const InterfaceRecord& at(size_t index) const noexcept { return records_[index]; }

 private:
  FixedVector<InterfaceRecord, kInterfacesMax> records_;
};

// Ethernet-like, so that ARP and neighbour frames mean something on it.
[[nodiscard]] bool can_announce(const InterfaceRecord& record) noexcept;
[[nodiscard]] bool is_running(const InterfaceRecord& record) noexcept;

}  // namespace twinbeat::net
