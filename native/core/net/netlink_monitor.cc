#include "core/net/netlink_monitor.h"

#include <cerrno>
#include <linux/rtnetlink.h>

namespace twinbeat::net {
namespace {

// One duty cycle's share; epoll is level-triggered and comes back for the rest.
constexpr int kDatagramsPerDrain = 256;

struct Fill {
  InterfaceTable* table;
  uint64_t dropped;
};

void put_in_table(void* context, const InterfaceRecord& record) {
  auto* fill = static_cast<Fill*>(context);
  if (!fill->table->put(record)) ++fill->dropped;
}

}  // namespace

int NetlinkMonitor::open(NetlinkSocket& requests) noexcept {
  // Listen first, read then: a change in between is seen twice instead of never.
  if (const int error = socket_.open(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);
      error != 0) {
    return error;
  }
  interfaces_.clear();
  counters_ = MonitorCounters{};
  Fill fill{&interfaces_, 0};
  const int error = dump_interfaces(requests, put_in_table, &fill);
  counters_.interfaces_dropped += fill.dropped;
  if (error != 0) close();
  return error;
}

void NetlinkMonitor::close() noexcept { socket_.close(); }

bool NetlinkMonitor::drain(NetlinkSocket& requests, MonitorSink& sink) noexcept {
  for (int count = 0; count < kDatagramsPerDrain; ++count) {
    Bytes datagram;
    const int error = socket_.receive(datagram);
    if (error == ENOBUFS) {
      ++counters_.overruns;
      resynchronise(requests, sink);
      continue;
    }
    if (error != 0) return false;
    NlMessages list(datagram);
    NlMessage message;
    while (list.next(message)) handle(message, sink);
  }
  return true;
}

void NetlinkMonitor::handle(const NlMessage& message, MonitorSink& sink) noexcept {
  ++counters_.notices;
  InterfaceRecord interface;
  if (parse_interface(message, interface)) return apply(interface, sink);
  AddressRecord address;
  if (parse_address(message, address) && address.removed) sink.address_removed(address);
}

void NetlinkMonitor::apply(const InterfaceRecord& record, MonitorSink& sink) noexcept {
  const InterfaceRecord* known = interfaces_.by_index(record.ifindex);
  InterfaceRecord before;
  if (known != nullptr) before = *known;
  if (record.removed) {
    if (known == nullptr) return;
    interfaces_.erase(record.ifindex);
    sink.interface_changed(&before, nullptr);
    return;
  }
  if (!interfaces_.put(record)) {
    ++counters_.interfaces_dropped;
    return;
  }
  sink.interface_changed(known != nullptr ? &before : nullptr, &record);
}

void NetlinkMonitor::resynchronise(NetlinkSocket& requests, MonitorSink& sink) noexcept {
  fresh_.clear();
  Fill fill{&fresh_, 0};
  if (dump_interfaces(requests, put_in_table, &fill) == 0) {
    for (size_t i = interfaces_.size(); i-- > 0;) {
      InterfaceRecord gone = interfaces_.at(i);
      if (fresh_.by_index(gone.ifindex) != nullptr) continue;
      gone.removed = true;
      apply(gone, sink);
    }
    for (size_t i = 0; i < fresh_.size(); ++i) apply(fresh_.at(i), sink);
  }
  counters_.interfaces_dropped += fill.dropped;
  sink.notices_lost();
}

}  // namespace twinbeat::net
