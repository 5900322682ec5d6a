#include "core/net/holdings.h"

#include <linux/if.h>

#include <algorithm>
#include <cstring>

namespace twinbeat::net {
namespace {

uint8_t event_flags(const InterfaceRecord& record) noexcept {
  uint8_t flags = kInterfacePresent;
  if ((record.flags & IFF_UP) != 0) flags = static_cast<uint8_t>(flags | kInterfaceUp);
  if (record.has_carrier) flags = static_cast<uint8_t>(flags | kInterfaceCarrier);
  return flags;
}

void copy_interface(char (&to)[kInterfaceNameBytes], const char* from) noexcept {
  const size_t count = ::strnlen(from, kInterfaceNameBytes - 1);
  std::memset(to, 0, kInterfaceNameBytes);
  std::memcpy(to, from, count);
}

}  // namespace

void Holdings::clear() noexcept {
  holdings_.clear();
  watched_interfaces_.clear();
  changed_ = true;
  any_doubtful_ = false;
}

// An entry without an interface matches every interface.
Holdings::Holding* Holdings::find(uint8_t family, const Address& address, const char* interface,
                                  uint32_t ifindex) noexcept {
  for (Holding& holding : holdings_) {
    if (holding.family != family || !same_address(family, holding.address, address)) continue;
    if (ifindex != 0 && holding.ifindex == ifindex) return &holding;
    if (holding.interface[0] == '\0' || same_name(holding.interface, interface)) return &holding;
  }
  return nullptr;
}

Holdings::Holding* Holdings::put(uint8_t family, const Address& address,
                                 const char* interface) noexcept {
  Holding* holding = find(family, address, interface, 0);
  if (holding != nullptr) return holding;
  Holding fresh;
  fresh.family = family;
  fresh.address = address;
  copy_interface(fresh.interface, interface);
  if (holdings_.push_back(fresh) != Status::kOk) {
    ++overflow_;
    return nullptr;
  }
  changed_ = true;
  return &holdings_[holdings_.size() - 1];
}

bool Holdings::note_added(uint8_t family, const Address& address, const InterfaceRecord& interface,
                          Micros now) noexcept {
  Holding* holding = put(family, address, interface.name);
  if (holding == nullptr) return false;
  holding->present = true;
  holding->doubtful = false;
  holding->ifindex = interface.ifindex;
  watch_interface(interface.name, now);
  return true;
}

void Holdings::note_removing(uint8_t family, const Address& address, uint32_t ifindex) noexcept {
  for (Holding& holding : holdings_) {
    if (holding.family != family || holding.ifindex != ifindex ||
        !same_address(family, holding.address, address)) {
      continue;
    }
    holding.present = false;
    holding.doubtful = false;
    holding.ifindex = 0;
  }
  drop_unneeded();
}

void Holdings::drop_unneeded() noexcept {
  for (size_t i = holdings_.size(); i-- > 0;) {
    if (holdings_[i].watched || holdings_[i].present) continue;
    holdings_[i] = holdings_[holdings_.size() - 1];
    holdings_.erase(holdings_.size() - 1);
    changed_ = true;
  }
}

void Holdings::set_watch(const WatchList& list, AddressView& view, Micros now) noexcept {
  for (Holding& holding : holdings_) holding.watched = false;
  for (uint32_t i = 0; i < list.address_count && i < kWatchMax; ++i) {
    const WatchAddress& wanted = list.addresses[i];
    if (wanted.family != 4 && wanted.family != 6) continue;
    if (!is_terminated(wanted.interface, kInterfaceNameBytes)) continue;
    Holding* holding = put(wanted.family, wanted.address, wanted.interface);
    if (holding == nullptr) continue;
    holding->watched = true;
    if (wanted.interface[0] != '\0') watch_interface(wanted.interface, now);
    if (holding->present) continue;
    const InterfaceRecord* interface = interfaces_.by_name(wanted.interface);
    if (wanted.interface[0] != '\0' && interface == nullptr) continue;
    const AddressTable* table = view.table(wanted.family);
    if (table == nullptr) continue;
    const uint32_t ifindex = interface == nullptr ? 0 : interface->ifindex;
    const AddressRecord* record = table->find(wanted.family, wanted.address, ifindex);
    holding->present = record != nullptr;
    holding->ifindex = record == nullptr ? 0 : record->ifindex;
  }
  for (uint32_t i = 0; i < list.interface_count && i < kWatchInterfacesMax; ++i) {
    if (is_terminated(list.interfaces[i], kInterfaceNameBytes)) {
      watch_interface(list.interfaces[i], now);
    }
  }
  drop_unneeded();
}

void Holdings::address_removed(const AddressRecord& record) noexcept {
  for (Holding& holding : holdings_) {
    if (!holding.present || holding.ifindex != record.ifindex) continue;
    if (holding.family != record.family) continue;
    if (!same_address(record.family, holding.address, record.address)) continue;
    holding.doubtful = true;
    any_doubtful_ = true;
  }
}

void Holdings::everything_doubtful() noexcept {
  for (Holding& holding : holdings_) holding.doubtful = holding.present;
  any_doubtful_ = true;
}

void Holdings::settle(AddressView& view, Micros now) noexcept {
  if (!any_doubtful_) return;
  any_doubtful_ = false;
  view.invalidate();
  for (Holding& holding : holdings_) {
    if (!holding.doubtful) continue;
    const AddressTable* table = view.table(holding.family);
    if (table == nullptr) {
      any_doubtful_ = true;  // asked again at the next turn
      continue;
    }
    holding.doubtful = false;
    if (table->truncated) continue;  // cannot tell: silence is better than a false alarm
    if (table->find(holding.family, holding.address, holding.ifindex) != nullptr) continue;
    const uint32_t ifindex = holding.ifindex;
    holding.present = false;
    holding.ifindex = 0;
    sink_.holding_lost(holding.family, holding.address, ifindex);
    report_lost(holding, ifindex, now);
  }
  drop_unneeded();
}

void Holdings::report_lost(const Holding& holding, uint32_t ifindex, Micros now) noexcept {
  NetEvent event{};
  event.at_us = now;
  event.type = NetEventType::kAddressLost;
  event.family = holding.family;
  event.ifindex = ifindex;
  event.address = holding.address;
  copy_interface(event.interface, holding.interface);
  sink_.publish(event);
}

void Holdings::claim_heard(const HeardClaim& heard, Micros now) noexcept {
  const Claim& claim = heard.claim;
  // Asking whether an address is free is no claim; the kernel answers that it is not.
  if (claim.asks || interfaces_.is_own_mac(claim.mac)) return;
  const InterfaceRecord* interface = interfaces_.by_index(heard.ifindex);
  if (interface == nullptr) return;
  Holding* holding = find(claim.family, claim.address, interface->name, heard.ifindex);
  if (holding == nullptr) return;
  if (holding->reported && now - holding->reported_at < report_interval_) {
    ++holding->unreported;
    return;
  }
  NetEvent event{};
  event.at_us = now;
  event.type = NetEventType::kAddressConflict;
  event.family = claim.family;
  event.ifindex = heard.ifindex;
  event.address = claim.address;
  event.mac = claim.mac;
  event.repeats = holding->unreported;
  copy_interface(event.interface, interface->name);
  holding->reported = true;
  holding->reported_at = now;
  holding->unreported = 0;
  sink_.publish(event);
}

void Holdings::watch_interface(const char* name, Micros now) noexcept {
  for (const WatchedInterface& watched : watched_interfaces_) {
    if (same_name(watched.name, name)) return;
  }
  WatchedInterface fresh;
  copy_interface(fresh.name, name);
  if (watched_interfaces_.push_back(fresh) != Status::kOk) {
    ++overflow_;
    return;
  }
  interface_changed(name, now);  // the first report is the state as it is
}

void Holdings::interface_changed(const char* name, Micros now) noexcept {
  for (WatchedInterface& watched : watched_interfaces_) {
    if (!same_name(watched.name, name)) continue;
    const InterfaceRecord* record = interfaces_.by_name(name);
    const uint8_t flags = record == nullptr ? uint8_t{0} : event_flags(*record);
    const uint32_t ifindex = record == nullptr ? watched.ifindex : record->ifindex;
    const bool recreated = watched.ifindex != 0 && ifindex != watched.ifindex;
    if (watched.known && flags == watched.flags && !recreated) return;
    watched.known = true;
    watched.flags = flags;
    watched.ifindex = ifindex;
    NetEvent event{};
    event.at_us = now;
    event.type = NetEventType::kInterface;
    event.interface_flags = static_cast<uint8_t>(flags | (recreated ? kInterfaceRecreated : 0));
    event.ifindex = ifindex;
    copy_interface(event.interface, name);
    sink_.publish(event);
    return;
  }
}

void Holdings::collect(WantedList& out) const noexcept {
  for (const Holding& holding : holdings_) {
    (void)out.push_back(WantedAddress{holding.address, holding.family});
  }
}

bool Holdings::take_changed() noexcept {
  const bool changed = changed_;
  changed_ = false;
  return changed;
}

}  // namespace twinbeat::net
