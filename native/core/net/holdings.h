// The book of what is ours: addresses that we added or were told to watch, and the interfaces that
// matter to them. It decides which notice is news: an address lost (not by us), a foreign claim
// (at most one report per address and interval), an interface that changed. Netlink thread only.
#pragma once

#include "core/base/clock.h"
#include "core/base/fixed_vector.h"
#include "core/net/address_conflict.h"
#include "core/net/address_view.h"
#include "core/net/interface_table.h"

namespace twinbeat::net {

inline constexpr size_t kHoldingsMax = kWantedMax;

class EventSink {
 public:
  virtual void publish(const NetEvent& event) = 0;
  // The address is gone from this interface: nothing may be announced for it any more.
  virtual void holding_lost(uint8_t family, const Address& address, uint32_t ifindex) = 0;

 protected:
  ~EventSink() = default;
};

class Holdings {
 public:
  Holdings(const InterfaceTable& interfaces, EventSink& sink) noexcept
      : interfaces_(interfaces), sink_(sink) {}
  void set_report_interval(Micros interval) noexcept { report_interval_ = interval; }
  void clear() noexcept;

  // An add succeeded. False when the book is full: the address works but nobody watches it.
  bool note_added(uint8_t family, const Address& address, const InterfaceRecord& interface,
                  Micros now) noexcept;
  // Before a remove: what goes now goes by our own hand.
  void note_removing(uint8_t family, const Address& address, uint32_t ifindex) noexcept;
  void set_watch(const WatchList& list, AddressView& view, Micros now) noexcept;

  // Notices only mark; settle() looks at the kernel's table and reports what is really gone, so
  // that an address that was moved about in one batch is no news.
  void address_removed(const AddressRecord& record) noexcept;
  void everything_doubtful() noexcept;
  void settle(AddressView& view, Micros now) noexcept;
  [[nodiscard]] bool unsettled() const noexcept { return any_doubtful_; }

  void claim_heard(const HeardClaim& heard, Micros now) noexcept;
  void interface_changed(const char* name, Micros now) noexcept;

  void collect(WantedList& out) const noexcept;
  // True once after the set of addresses changed: filters are stale.
  [[nodiscard]] bool take_changed() noexcept;
  [[nodiscard]] uint64_t overflow() const noexcept { return overflow_; }

 private:
  struct Holding {
    Address address{};
    uint8_t family = 0;
    bool watched = false;
    bool present = false;   // on the interface as far as we know
    bool doubtful = false;  // a notice said that it went
    uint32_t ifindex = 0;   // 0 while not present
    char interface[kInterfaceNameBytes] = {};
    Micros reported_at = 0;
    uint32_t unreported = 0;
    bool reported = false;
  };
  struct WatchedInterface {
    char name[kInterfaceNameBytes] = {};
    uint32_t ifindex = 0;
    uint8_t flags = 0;
    bool known = false;
  };

  [[nodiscard]] Holding* find(uint8_t family, const Address& address, const char* interface,
                              uint32_t ifindex) noexcept;
  Holding* put(uint8_t family, const Address& address, const char* interface) noexcept;
  void drop_unneeded() noexcept;
  void watch_interface(const char* name, Micros now) noexcept;
  void report_lost(const Holding& holding, uint32_t ifindex, Micros now) noexcept;

  const InterfaceTable& interfaces_;
  EventSink& sink_;
  Micros report_interval_ = kMicrosPerSecond;
  FixedVector<Holding, kHoldingsMax> holdings_;
  FixedVector<WatchedInterface, kWatchInterfacesMax> watched_interfaces_;
  bool changed_ = false;
  bool any_doubtful_ = false;
  uint64_t overflow_ = 0;
};

}  // namespace twinbeat::net
