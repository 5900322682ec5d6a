#include "core/net/interface_table.h"

#include <linux/if.h>
#include <linux/if_arp.h>

namespace twinbeat::net {

const InterfaceRecord* InterfaceTable::by_index(uint32_t ifindex) const noexcept {
  for (const InterfaceRecord& record : records_) {
    if (record.ifindex == ifindex) return &record;
  }
  return nullptr;
}

const InterfaceRecord* InterfaceTable::by_name(const char* name) const noexcept {
  for (const InterfaceRecord& record : records_) {
    if (same_name(record.name, name)) return &record;
  }
  return nullptr;
}

const InterfaceRecord* InterfaceTable::resolve(const char* name, uint32_t ifindex) const noexcept {
  return name[0] != '\0' ? by_name(name) : by_index(ifindex);
}

bool InterfaceTable::is_own_mac(const Mac& mac) const noexcept {
  for (const InterfaceRecord& record : records_) {
    if (record.has_mac && same_mac(record.mac, mac)) return true;
  }
  return false;
}

bool InterfaceTable::put(const InterfaceRecord& record) noexcept {
  for (InterfaceRecord& known : records_) {
    if (known.ifindex == record.ifindex) {
      known = record;
      return true;
    }
  }
  return records_.push_back(record) == Status::kOk;
}

void InterfaceTable::erase(uint32_t ifindex) noexcept {
  for (size_t i = 0; i < records_.size(); ++i) {
    if (records_[i].ifindex == ifindex) {
      records_.erase(i);
      return;
    }
  }
}

bool can_announce(const InterfaceRecord& record) noexcept {
  return record.has_mac && record.hardware == ARPHRD_ETHER && (record.flags & IFF_NOARP) == 0;
}

bool is_running(const InterfaceRecord& record) noexcept {
  return (record.flags & IFF_UP) != 0 && record.has_carrier;
}

}  // namespace twinbeat::net
