#include "core/takeover/takeover.h"

#include <algorithm>

namespace twinbeat {

namespace {

// The guardian looks at our progress: often enough also while there is nothing to do.
constexpr Micros kProgressPerFreeze = 4;

}  // namespace

void Takeover::set_holding(std::size_t slot, const GroupHolding& holding) noexcept {
  if (slot >= kSlots) return;
  live_ |= std::uint64_t{1} << slot;
  Slot& place = slots_[slot];
  if (place.holding.claim_epoch != holding.claim_epoch) place.signed_gasp = false;
  // Said before the controller knew that the engine took the group: it may be held all the same.
  if (place.unclaimed && !holding.held) return;
  if (place.unclaimed) note_claimed(slot);
  if (holding.held && !place.holding.held) place.lifetime_known = false;
  place.let_go = false;
  const bool leaves = holding.held && holding.leaving && !place.holding.leaving;
  place.holding = holding;
  place.stopped = !holding.held;
  tell_page(slot);
  tell_end(slot);
  // The controller's own removals come as well; whoever is first, the peer hears of it as soon as it is seen to be true.
  const bool address_only = table_ != nullptr && table_->groups[slot].used && table_->groups[slot].address_only;
  if (leaves && address_only && !holding.agent_busy) begin_release(slot, true);
}

void Takeover::set_freeze(Micros freeze, bool realtime) noexcept {
  freeze_us_ = freeze;
  board_.page.set_limits(freeze, realtime);
}

void Takeover::set_running(bool running) noexcept { board_.page.set_running(running); }

void Takeover::tell_page(std::size_t slot) noexcept {
  const Slot& place = slots_[slot];
  board_.page.set_group(slot, {.held = place.holding.held,
                               .peer_ready = place.holding.peer_ready,
                               .agent_busy = place.holding.agent_busy,
                               .owned = place.owned_until > 0,
                               .claim_epoch = place.holding.claim_epoch});
}

// What we released by ourselves are addresses: services count as running until the controller says that they stopped.
void Takeover::tell_end(std::size_t slot) noexcept {
  board_.page.set_owned_until(slot, slots_[slot].stopped ? 0 : slots_[slot].owned_end);
}

void Takeover::work(const TakeoverScene& scene, TakeoverVoice& voice) noexcept {
  const Micros now = scene.guard.now;
  again_at_ = 0;
  board_.page.stamp_progress(now);
  stamped_at_ = now;
  watch_guardian(scene);
  take_table();
  take_results(scene);
  // First what has to end, then what may begin.
  watch_controller(scene);
  watch_ownership(now);
  drive_releases(scene, voice);
  if (!scene.withheld) judge_marks(scene);
  judge_self_firing(scene);
  pay_answers(now);
  watch_unclaimed(now);
  drive_lifetimes(scene);
  sign_all(scene, voice);
  if (!lapsed_ || silent_) return;
  const bool letting_go = std::any_of(slots_.begin(), slots_.end(),
                                      [](const Slot& slot) { return slot.release != Release::kNone || slot.firing; });
  if (letting_go) return;
  silent_ = true;
  voice.fall_silent();
}

void Takeover::watch_guardian(const TakeoverScene& scene) noexcept {
  if (!board_.guarded.load(std::memory_order_acquire)) return;
  const Micros now = scene.guard.now;
  const bool alive = scene.bell ? board_.page.drain_bell() : board_.page.guardian_alive();
  // Another one has to acknowledge for itself, also when its predecessor was not missed.
  if (const std::uint32_t attached = board_.page.attachments(); attached != attached_) {
    attached_ = attached;
    told_ready_ = 0;
  }
  if (!alive) {
    told_ready_ = 0;
    if (!told_lost_) told_lost_ = publisher_.publish({.type = RecordType::kGuardianLost, .at = now});
    return;
  }
  const std::uint64_t revision = board_.page.acknowledged();
  if (revision == 0 || revision == told_ready_ || !board_.page.guarded(guard::kNetLock, revision)) return;
  if (!publisher_.publish({.type = RecordType::kGuardianReady, .at = now, .previous = revision})) return;
  told_ready_ = revision;
  told_lost_ = false;
}

void Takeover::take_table() noexcept {
  const GroupTable* newest = board_.table.load(std::memory_order_acquire);
  if (newest == nullptr || newest == table_) return;
  table_ = newest;
  board_.engine_looks_at.store(newest->revision, std::memory_order_release);
  for (Slot& slot : slots_) slot.lifetime_known = false;
  if (!board_.page.is_open()) return;
  fill_page_plan(*newest, page_groups_, page_addresses_);
  // Refused means: not acknowledged, so nothing new can be added. That is the safe side, and it is told by `check`.
  static_cast<void>(board_.page.publish_plan(newest->revision, page_groups_, page_addresses_.span()));
}

void Takeover::watch_controller(const TakeoverScene& scene) noexcept {
  const Micros at = board_.lease.renewed_at();
  if (at > 0) renewed_at_ = at;
  if (renewed_at_ == 0) return;
  const Micros late = scene.guard.now - renewed_at_;
  const Micros withhold = board_.lease.withhold_us.load(std::memory_order_acquire);
  const Micros release = board_.lease.release_us.load(std::memory_order_acquire);
  const Micros reset = board_.lease.reset_us.load(std::memory_order_acquire);
  board_.page.set_controller_fresh_until(reset == 0 ? 0 : renewed_at_ + reset);
  const auto told = [&](std::int32_t stage) {
    return publisher_.publish(
        {.type = RecordType::kControllerLapsed, .at = scene.guard.now, .value_us = late, .number = stage});
  };
  if (withhold == 0 || late < withhold) {
    told_withheld_ = false;
  } else if (!told_withheld_) {
    told_withheld_ = told(0);
  }
  const bool reset_due = reset > 0 && late >= reset;
  const bool release_due = release > 0 && late >= release && somebody_waits(scene);
  if (!lapsed_ && (release_due || reset_due) && board_.lease.end(at)) end_life();
  if (lapsed_ && !told_lapsed_) told_lapsed_ = told(1);
  if (reset_due && told_lapsed_ && !told_reset_) told_reset_ = told(2);
  if (lapsed_ && (!told_lapsed_ || (reset_due && !told_reset_))) again_at_ = scene.guard.now + 10 * kMicrosPerMilli;
}

// Without anybody who would take over, or whose turn it surely becomes, falling silent helps nobody.
bool Takeover::somebody_waits(const TakeoverScene& scene) const noexcept {
  for (const std::size_t slot : SlotSet(live_)) {
    // Its ownership ended while the controller stood still, which therefore cannot say so: the peer believes that the
    // group is here for as long as it hears us.
    if (slots_[slot].let_go) return true;
    const GroupHolding& holding = slots_[slot].holding;
    if (!holding.held) continue;
    const bool address_only = table_ != nullptr && table_->groups[slot].address_only;
    if (address_only && holding.peer_ready && scene.peer_present) return true;
    if (board_.ownership[slot].deadline() > 0) return true;
  }
  return false;
}

void Takeover::end_life() noexcept {
  lapsed_ = true;
  for (const std::size_t slot : SlotSet(live_)) {
    const bool address_only = table_ != nullptr && table_->groups[slot].address_only;
    // A service group is a dead node's case: its address without its agents stopped would help nobody.
    if (address_only && slots_[slot].holding.held) begin_release(slot, true);
  }
}

void Takeover::watch_ownership(Micros now) noexcept {
  for (const std::size_t slot : SlotSet(live_)) {
    Slot& place = slots_[slot];
    const Micros deadline = board_.ownership[slot].deadline();
    if (deadline > 0 && now >= deadline) {
      if (!board_.ownership[slot].expire(deadline)) continue;
      place.owes_expired = true;
      place.owned_until = 0;
      // Also when nothing is said to be held: what a take under way has added must go. The guardian's own deadline
      // stays until that is verified.
      begin_release(slot, false);
      tell_page(slot);
      continue;
    }
    const Micros until = std::max<Micros>(deadline, 0);
    if (until == place.owned_until || (until == 0 && deadline == Ownership::kExpired)) continue;
    place.owned_until = until;
    tell_page(slot);
    board_.page.set_valid_until(slot, until);
    // Behind the deadline the guardian does what the engine did not do, with half of the budget left for it.
    const Micros budget = board_.stop_budget_us.load(std::memory_order_acquire);
    board_.page.set_release_by(slot, until == 0 ? 0 : until + budget / 2);
    place.owned_end = until == 0 ? 0 : until + budget;
    tell_end(slot);
  }
}

// What a key, a generation, a claim or a definition made untrue is taken back before it could be sent.
void Takeover::sign_all(const TakeoverScene& scene, TakeoverVoice& voice) noexcept {
  if (!board_.page.is_open() || table_ == nullptr) return;
  for (const std::size_t slot : SlotSet(live_)) {
    Slot& place = slots_[slot];
    // What was taken by itself bears no claim of the controller yet: nothing can be said about it.
    const bool held = place.holding.held && !place.unclaimed;
    const bool speaks = table_->groups[slot].address_only || table_->groups[slot].killed;
    const bool wanted = held && speaks && scene.gasp_is_heard && !lapsed_;
    const bool current = place.signed_gasp && place.signed_epoch == place.holding.claim_epoch &&
                         place.signed_generation == scene.generation && place.signed_keys == scene.keys &&
                         place.signed_revision == table_->revision;
    if (wanted == place.signed_gasp && (current || !wanted)) continue;
    board_.page.clear_gasp(slot);
    place.signed_gasp = false;
    if (!wanted) continue;
    TakeoverVoice::LastWords words;
    if (!voice.sign_gasp(slot, place.holding.claim_epoch, words)) continue;
    const Status kept = board_.page.set_gasp(slot, place.holding.claim_epoch, words.datagram, words.line);
    place.signed_gasp = kept == Status::kOk;
    place.signed_epoch = place.holding.claim_epoch;
    place.signed_generation = scene.generation;
    place.signed_keys = scene.keys;
    place.signed_revision = table_->revision;
  }
}

Micros Takeover::next_deadline() const noexcept {
  Micros next = kNever;
  if (board_.page.is_open() && freeze_us_ > 0) next = stamped_at_ + freeze_us_ / kProgressPerFreeze;
  if (again_at_ != 0) next = std::min(next, again_at_);
  const Micros withhold = board_.lease.withhold_us.load(std::memory_order_acquire);
  const Micros release = board_.lease.release_us.load(std::memory_order_acquire);
  const Micros reset = board_.lease.reset_us.load(std::memory_order_acquire);
  const auto consider = [&](Micros at) {
    // What is past already was judged; it is looked at again with every cycle that comes anyway.
    if (at > stamped_at_) next = std::min(next, at);
  };
  if (renewed_at_ > 0) {
    for (const Micros limit : {withhold, release, reset}) {
      if (limit > 0) consider(renewed_at_ + limit);
    }
  }
  for (const std::size_t slot : SlotSet(live_)) {
    const Slot& place = slots_[slot];
    const Micros deadline = board_.ownership[slot].deadline();
    if (deadline > 0) next = std::min(next, deadline);
    if (place.release == Release::kWaiting) next = std::min(next, place.release_at);
    if (place.holding.held && place.refresh_token == 0 && !lapsed_) consider(place.refresh_at);
  }
  return next;
}

}  // namespace twinbeat
