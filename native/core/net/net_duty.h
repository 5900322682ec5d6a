// Everything the netlink thread does, without the thread: one duty cycle takes batches, listens,
// announces and reports. The rings are the only way in and out; all memory is inside the objects.
#pragma once

#include <atomic>

#include "core/base/clock.h"
#include "core/base/spsc_ring.h"
#include "core/net/address_conflict.h"
#include "core/net/announcer.h"
#include "core/net/holdings.h"
#include "core/net/mailbox.h"
#include "core/net/netlink_monitor.h"
#include "core/net/prober.h"
#include "core/net/step_runner.h"

namespace twinbeat::net {

// The controller's batches and the engine thread's plans come by separate rings: each ring has
// exactly one writer.
enum class Feeder : uint8_t { kController = 0, kEngine = 1 };
inline constexpr size_t kFeeders = 2;
inline constexpr size_t kBatchRing = 16;
inline constexpr size_t kResultRing = 64;  // at least every batch that can be under way
inline constexpr size_t kEventRing = 512;  // an interface with a full batch of addresses goes away
inline constexpr size_t kPendingMax = 4;   // batches that wait for probes

struct NetConfig {
  int wake_fd = -1;           // eventfd, written when something can be drained; -1: none
  int engine_wake_fd = -1;    // the same for results of the engine's batches
  Warden* warden = nullptr;   // asked before every addition; must outlive the thread
  int realtime_priority = 0;  // SCHED_FIFO; 0: normal
  uint32_t probe_ms = 200;    // a neighbour on the same wire answers within a few
  uint32_t conflict_interval_us = 1'000'000;
  AnnounceTiming announce;
};

struct NetCounters {
  StepCounters steps;
  MonitorCounters monitor;
  uint64_t frames_sent = 0;
  uint64_t frame_errors = 0;
  uint64_t frames_malformed = 0;
  uint64_t events_lost = 0;
  uint64_t holdings_overflow = 0;
  uint64_t held = 0;  // addresses being announced
};

struct NetRings {
  std::array<SpscRing<StepBatch, kBatchRing>, kFeeders> batches;
  Mailbox<WatchList> watch;
  // Each feeder reads its own answers: a release must be seen to be done without JavaScript.
  std::array<SpscRing<StepBatchResult, kResultRing>, kFeeders> results;
  SpscRing<NetEvent, kEventRing> events;
  GroupStamps stamps{};
  std::atomic<uint64_t> events_lost{0};
};

struct NetOpenReport {
  int netlink_errno = 0;  // not 0: nothing works
  int packet_errno = 0;   // not 0: addresses work, no announcements, probes or conflict reports
};

class NetDuty final : MonitorSink, ClaimSink, EventSink {
 public:
  NetDuty(NetRings& rings, ClockFunction clock) noexcept;

  // Owner, before the thread runs and after it ended.
  [[nodiscard]] NetOpenReport open(const NetConfig& config) noexcept;
  void close() noexcept;

  // One cycle. Returns when the next one is due if nothing arrives before.
  [[nodiscard]] Micros do_work() noexcept;
  // True once after results of that feeder, or for the controller events, were put into the rings.
  [[nodiscard]] bool take_published(Feeder feeder) noexcept;
  [[nodiscard]] NetCounters counters() const noexcept;

  [[nodiscard]] int monitor_fd() const noexcept { return monitor_.fd(); }
  [[nodiscard]] int arp_fd() const noexcept { return listener_.arp_fd(); }
  [[nodiscard]] int neighbour_fd() const noexcept { return listener_.neighbour_fd(); }

 private:
  struct Pending {
    bool used = false;
    Feeder feeder = Feeder::kController;
    uint32_t probes_open = 0;
    StepBatch batch;
    StepVerdicts verdicts;
  };

  void interface_changed(const InterfaceRecord* before, const InterfaceRecord* after) override;
  void address_removed(const AddressRecord& record) override;
  void notices_lost() override;
  void claim_heard(const HeardClaim& heard) override;
  void publish(const NetEvent& event) override;
  void holding_lost(uint8_t family, const Address& address, uint32_t ifindex) override;

  [[nodiscard]] bool take_batches() noexcept;
  void take_watch() noexcept;
  void take_batch(const StepBatch& batch, Feeder feeder) noexcept;
  [[nodiscard]] bool start_probes(const StepBatch& batch, Feeder feeder) noexcept;
  void cancel_pending_adds(const StepBatch& batch) noexcept;
  void finish_probes() noexcept;
  void run_batch(const StepBatch& batch, const StepVerdicts* verdicts, Feeder feeder) noexcept;
  [[nodiscard]] size_t pending_count() const noexcept;
  void refresh_filters() noexcept;

  NetRings& rings_;
  ClockFunction clock_;
  NetConfig config_;
  NetlinkSocket socket_;
  NetlinkMonitor monitor_;
  AddressView view_;
  FrameSender sender_;
  Announcer announcer_;
  Prober prober_;
  ConflictListener listener_;
  Holdings holdings_;
  StepRunner runner_;
  std::array<Pending, kPendingMax> pending_;
  WantedList wanted_;
  size_t probes_listened_for_ = 0;
  std::array<bool, kFeeders> published_{};
};

}  // namespace twinbeat::net
