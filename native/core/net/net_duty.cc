#include "core/net/net_duty.h"

#include <cerrno>

#include <algorithm>

#include "core/net/step_record.h"

namespace twinbeat::net {
namespace {

// Batches of one cycle: between them, links are heard and announcements leave on time.
constexpr int kBatchesPerCycle = 4;
// A kernel that would not dump addresses is asked again after this long.
constexpr Micros kRetryUs = 100 * kMicrosPerMilli;

constexpr uint32_t ticket_of(size_t slot, size_t step) noexcept {
  return static_cast<uint32_t>(slot * kBatchStepsMax + step);
}

bool wants_probe(const AddressStep& step) noexcept {
  return step.op == StepOp::kAdd && (step.flags & kStepProbe) != 0 && validate_step(step) == 0;
}

}  // namespace

NetDuty::NetDuty(NetRings& rings, ClockFunction clock) noexcept
    : rings_(rings),
      clock_(clock),
      view_(socket_),
      announcer_(sender_),
      prober_(sender_),
      holdings_(monitor_.interfaces(), *this),
      runner_(socket_, view_, monitor_.interfaces(), announcer_, holdings_, rings.stamps, clock) {}

NetOpenReport NetDuty::open(const NetConfig& config) noexcept {
  config_ = config;
  runner_.set_warden(config.warden);
  announcer_.set_timing(config.announce);
  holdings_.set_report_interval(config.conflict_interval_us);
  NetOpenReport report;
  report.netlink_errno = socket_.open(0);
  if (report.netlink_errno == 0) report.netlink_errno = monitor_.open(socket_);
  if (report.netlink_errno != 0) {
    close();
    return report;
  }
  report.packet_errno = sender_.open();
  if (report.packet_errno == 0) report.packet_errno = listener_.open();
  if (report.packet_errno != 0) sender_.close();
  return report;
}

void NetDuty::close() noexcept {
  listener_.close();
  sender_.close();
  monitor_.close();
  socket_.close();
  announcer_.clear();
  prober_.clear();
  holdings_.clear();
  for (Pending& pending : pending_) pending.used = false;
}

Micros NetDuty::do_work() noexcept {
  bool more = monitor_.drain(socket_, *this);
  listener_.drain(*this);
  if (config_.warden != nullptr) config_.warden->look(monitor_.interfaces());
  holdings_.settle(view_, clock_());
  more = take_batches() || more;
  take_watch();
  finish_probes();
  const Micros announce_at = announcer_.poll(clock_());
  refresh_filters();
  if (more) return 0;
  Micros next = std::min(announce_at, prober_.next_deadline());
  if (holdings_.unsettled()) next = std::min(next, clock_() + kRetryUs);
  return next;
}

bool NetDuty::take_published(Feeder feeder) noexcept {
  bool& place = published_[static_cast<size_t>(feeder)];
  const bool published = place;
  place = false;
  return published;
}

size_t NetDuty::pending_count() const noexcept {
  return static_cast<size_t>(std::count_if(pending_.begin(), pending_.end(),
                                           [](const Pending& pending) { return pending.used; }));
}

// A batch leaves its ring only when its result surely has a place: results are never lost, a slow
// reader is felt by the feeder as "full".
bool NetDuty::take_batches() noexcept {
  for (int taken = 0; taken < kBatchesPerCycle; ++taken) {
    StepBatch* batch = nullptr;
    SpscRing<StepBatch, kBatchRing>* from = nullptr;
    // The engine's plans go first: they are the ones that must not wait.
    auto feeder = Feeder::kController;
    for (size_t i = kFeeders; i-- > 0 && batch == nullptr;) {
      // Nor does a feeder that does not read its answers keep the other one from being served.
      if (rings_.results[i].size() + pending_count() + 1 > kResultRing) continue;
      from = &rings_.batches[i];
      batch = from->front();
      feeder = static_cast<Feeder>(i);
    }
    if (batch == nullptr) return false;
    // The table of interfaces must not be older than the batch.
    (void)monitor_.drain(socket_, *this);
    take_batch(*batch, feeder);
    from->pop();
  }
  return true;
}

void NetDuty::take_batch(const StepBatch& batch, Feeder feeder) noexcept {
  if (batch.count <= kBatchStepsMax) {
    cancel_pending_adds(batch);
    if (start_probes(batch, feeder)) return;
  }
  run_batch(batch, nullptr, feeder);
}

void NetDuty::run_batch(const StepBatch& batch, const StepVerdicts* verdicts, Feeder feeder) noexcept {
  auto& ring = rings_.results[static_cast<size_t>(feeder)];
  StepBatchResult* result = ring.claim();
  if (result == nullptr) return;  // take_batches() has kept a place
  runner_.run(batch, verdicts, *result);
  ring.commit();
  published_[static_cast<size_t>(feeder)] = true;
}

// A remove overtakes adds that still ask the neighbours; those must not come after it.
void NetDuty::cancel_pending_adds(const StepBatch& batch) noexcept {
  for (Pending& pending : pending_) {
    if (!pending.used) continue;
    for (size_t i = 0; i < pending.batch.count; ++i) {
      const AddressStep& add = pending.batch.steps[i];
      if (add.op != StepOp::kAdd) continue;
      for (size_t k = 0; k < batch.count; ++k) {
        const AddressStep& remove = batch.steps[k];
        if (remove.op != StepOp::kRemove || remove.family != add.family) continue;
        if (!same_address(add.family, remove.address, add.address)) continue;
        pending.verdicts[i].error = ECANCELED;
      }
    }
  }
}

bool NetDuty::start_probes(const StepBatch& batch, Feeder feeder) noexcept {
  if (!std::any_of(batch.steps, batch.steps + batch.count, wants_probe)) return false;
  const auto slot = std::find_if(pending_.begin(), pending_.end(),
                                 [](const Pending& pending) { return !pending.used; });
  if (slot == pending_.end()) {
    StepVerdicts verdicts{};
    for (size_t i = 0; i < batch.count; ++i) {
      if (wants_probe(batch.steps[i])) verdicts[i].error = EBUSY;
    }
    run_batch(batch, &verdicts, feeder);
    return true;
  }
  slot->used = true;
  slot->feeder = feeder;
  slot->probes_open = 0;
  slot->batch = batch;
  slot->verdicts = StepVerdicts{};
  const Micros now = clock_();
  for (size_t i = 0; i < batch.count; ++i) {
    const AddressStep& step = batch.steps[i];
    if (!wants_probe(step)) continue;
    const InterfaceRecord* interface = monitor_.interfaces().resolve(step.interface, step.ifindex);
    const uint32_t window_ms = step.probe_ms != 0 ? step.probe_ms : config_.probe_ms;
    const auto number = static_cast<size_t>(slot - pending_.begin());
    if (interface != nullptr &&
        prober_.start(ticket_of(number, i), step.family, step.address, *interface,
                      window_ms * kMicrosPerMilli, now)) {
      ++slot->probes_open;
    }
  }
  // Filters before questions: the first answer may come at once.
  refresh_filters();
  return true;
}

void NetDuty::finish_probes() noexcept {
  ProbeResult result;
  while (prober_.next_finished(clock_(), result)) {
    Pending& pending = pending_[result.ticket / kBatchStepsMax];
    StepVerdict& verdict = pending.verdicts[result.ticket % kBatchStepsMax];
    if (result.conflict && verdict.error == 0) verdict = StepVerdict{EADDRINUSE, result.mac};
    --pending.probes_open;
  }
  for (Pending& pending : pending_) {
    if (!pending.used || pending.probes_open > 0) continue;
    (void)monitor_.drain(socket_, *this);
    run_batch(pending.batch, &pending.verdicts, pending.feeder);
    pending.used = false;
  }
}

void NetDuty::take_watch() noexcept {
  const WatchList* list = rings_.watch.take();
  if (list == nullptr) return;
  view_.invalidate();
  holdings_.set_watch(*list, view_, clock_());
}

void NetDuty::refresh_filters() noexcept {
  const bool changed = holdings_.take_changed();
  if (!changed && prober_.size() == probes_listened_for_) return;
  wanted_.clear();
  prober_.collect(wanted_);
  holdings_.collect(wanted_);
  probes_listened_for_ = prober_.size();
  (void)listener_.listen_for(wanted_);
}

void NetDuty::interface_changed(const InterfaceRecord* before, const InterfaceRecord* after) {
  const Micros now = clock_();
  if (after == nullptr) {
    announcer_.interface_removed(before->ifindex);
    holdings_.everything_doubtful();
    holdings_.interface_changed(before->name, now);
    return;
  }
  const bool stayed = before != nullptr && is_running(*before) &&
                      before->carrier_ups == after->carrier_ups;
  announcer_.interface_changed(*after, !stayed && is_running(*after), now);
  if (before != nullptr && !same_name(before->name, after->name)) {
    holdings_.interface_changed(before->name, now);
  }
  holdings_.interface_changed(after->name, now);
}

void NetDuty::address_removed(const AddressRecord& record) { holdings_.address_removed(record); }

void NetDuty::notices_lost() { holdings_.everything_doubtful(); }

void NetDuty::claim_heard(const HeardClaim& heard) {
  if (monitor_.interfaces().is_own_mac(heard.claim.mac)) return;
  prober_.claim_heard(heard);
  holdings_.claim_heard(heard, clock_());
}

void NetDuty::publish(const NetEvent& event) {
  published_[static_cast<size_t>(Feeder::kController)] = true;
  if (!rings_.events.push(event)) rings_.events_lost.fetch_add(1, std::memory_order_relaxed);
}

void NetDuty::holding_lost(uint8_t family, const Address& address, uint32_t ifindex) {
  announcer_.release(family, address, ifindex);
}

NetCounters NetDuty::counters() const noexcept {
  NetCounters counters;
  counters.steps = runner_.counters();
  counters.monitor = monitor_.counters();
  counters.frames_sent = announcer_.frames_sent();
  counters.frame_errors = announcer_.send_errors();
  counters.frames_malformed = listener_.malformed();
  counters.events_lost = rings_.events_lost.load(std::memory_order_relaxed);
  counters.holdings_overflow = holdings_.overflow();
  counters.held = announcer_.size();
  return counters;
}

}  // namespace twinbeat::net
