// Listens to what the kernel tells about interfaces and addresses, keeps the table of interfaces
// and passes on what changed. Netlink thread only.
#pragma once

#include "core/net/interface_table.h"
#include "core/net/netlink.h"

namespace twinbeat::net {

class MonitorSink {
 public:
  // `before` is nullptr for a new interface, `after` for one that is gone.
  virtual void interface_changed(const InterfaceRecord* before, const InterfaceRecord* after) = 0;
  virtual void address_removed(const AddressRecord& record) = 0;
  // The kernel dropped notices: every address must be looked up anew. Interfaces were read again
  // and have been reported as changes by then.
  virtual void notices_lost() = 0;

 protected:
  ~MonitorSink() = default;
};

struct MonitorCounters {
  uint64_t notices = 0;
  uint64_t overruns = 0;
  uint64_t interfaces_dropped = 0;
};

class NetlinkMonitor {
 public:
  // Opens the listening socket and reads all interfaces by `requests`. Returns an errno.
  [[nodiscard]] int open(NetlinkSocket& requests) noexcept;
  void close() noexcept;
  [[nodiscard]] int fd() const noexcept { return socket_.fd(); }

  // Works off what is there, at most a bounded number of datagrams; true if more may be waiting.
  bool drain(NetlinkSocket& requests, MonitorSink& sink) noexcept;
  [[nodiscard]] const InterfaceTable& interfaces() const noexcept { return interfaces_; }
  [[nodiscard]] const MonitorCounters& counters() const noexcept { return counters_; }

 private:
  void handle(const NlMessage& message, MonitorSink& sink) noexcept;
  void apply(const InterfaceRecord& record, MonitorSink& sink) noexcept;
  void resynchronise(NetlinkSocket& requests, MonitorSink& sink) noexcept;

  NetlinkSocket socket_;
  InterfaceTable interfaces_;
  InterfaceTable fresh_;  // the dump of a resynchronisation
  MonitorCounters counters_;
};

}  // namespace twinbeat::net
