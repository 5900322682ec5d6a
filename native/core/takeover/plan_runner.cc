// Marked plans: claimed, judged, handed to the netlink thread; and what became of them.
#include <algorithm>
#include <cstring>

#include "core/takeover/takeover.h"

namespace twinbeat {

namespace {

constexpr std::size_t kErrandBits = 8;
constexpr std::size_t kSlotBits = 8;
constexpr std::size_t kAnswerBytes = 16 + net::kBatchStepsMax * 8;

const Peer* find_peer(std::span<const Peer> peers, const TakePlan& plan) noexcept {
  const auto found = std::find_if(peers.begin(), peers.end(), [&](const Peer& peer) {
    return peer.is_normal_other() && peer.name == plan.peer;
  });
  return found == peers.end() ? nullptr : &*found;
}

}  // namespace

std::uint64_t Takeover::new_token(Errand errand, std::size_t slot) noexcept {
  ++tokens_;
  return tokens_ << (kErrandBits + kSlotBits) | static_cast<std::uint64_t>(slot) << kErrandBits |
         static_cast<std::uint64_t>(errand);
}

void Takeover::note_marks() noexcept {
  live_ |= board_.touched.load(std::memory_order_acquire);
  for (const std::size_t slot : SlotSet(live_)) {
    if (board_.marks[slot].epoch.load(std::memory_order_acquire) != 0) marked_ |= std::uint64_t{1} << slot;
  }
}

void Takeover::judge_marks(const TakeoverScene& scene) noexcept {
  for (const std::size_t slot : SlotSet(marked_)) {
    const std::uint64_t bit = std::uint64_t{1} << slot;
    // The answer before must have found its place: one record for every mark.
    if (slots_[slot].firing || slots_[slot].answer.owed) continue;
    FireMark& mark = board_.marks[slot];
    const std::uint64_t epoch = mark.epoch.load(std::memory_order_acquire);
    PlanAuthority authority;
    authority.kind = static_cast<AuthorityKind>(mark.kind.load(std::memory_order_relaxed));
    authority.peer_generation = mark.peer_generation.load(std::memory_order_relaxed);
    authority.not_after = mark.not_after.load(std::memory_order_relaxed);
    // The controller replaced a mark whose plan it had disarmed: what was read is a mixture, the next turn has it.
    std::uint64_t taken = epoch;
    if (!mark.epoch.compare_exchange_strong(taken, 0, std::memory_order_acq_rel)) continue;
    marked_ &= ~bit;
    const TakePlan* plan = board_.slots[slot].claim(epoch);
    // Disarmed meanwhile: the controller knows, and nothing follows.
    if (plan == nullptr) continue;
    const std::uint32_t stamp = steps_ == nullptr ? 0 : steps_->group_stamp(static_cast<std::uint32_t>(slot));
    Guard guard = judge_guards(*plan, authority, slot, stamp, board_, scene.guard);
    if (guard == Guard::kNone && slots_[slot].release != Release::kNone) guard = Guard::kVoided;
    if (guard != Guard::kNone) {
      owe_withheld(slot, epoch, guard);
    } else {
      run_plan(slot, epoch, *plan, authority, scene);
    }
  }
}

void Takeover::run_plan(std::size_t slot, std::uint64_t epoch, const TakePlan& plan, const PlanAuthority& authority,
                        const TakeoverScene& scene) noexcept {
  Slot& place = slots_[slot];
  net::StepBatch* batch = steps_ == nullptr ? nullptr : steps_->claim();
  // No room between us and the netlink thread: we are later than we may be.
  if (batch == nullptr) return owe_withheld(slot, epoch, Guard::kLate);
  const Micros deadline = board_.ownership[slot].deadline();
  Micros not_after = authority.not_after;
  if (deadline > 0) not_after = not_after == 0 ? deadline : std::min(not_after, deadline);
  std::uint32_t seconds = 0;
  if (!wanted_lifetime(slot, scene, seconds)) seconds = 0;
  place.lifetime_s = seconds;
  place.lifetime_for = std::max<Micros>(deadline, 0);
  place.plan_token = new_token(Errand::kPlan, slot);
  batch->token = place.plan_token;
  batch->not_after_us = not_after;
  batch->group = static_cast<std::uint32_t>(slot);
  batch->stamp = plan.stamp;
  batch->count = plan.step_count;
  batch->flags = 0;
  std::copy_n(plan.steps.begin(), plan.step_count, batch->steps);
  for (std::uint32_t i = 0; i < plan.step_count; ++i) batch->steps[i].valid_lft_s = seconds;
  steps_->commit();
  place.firing = true;
  place.answer.epoch = epoch;
  place.answer.detected_at = scene.guard.now;
  const Peer* peer = plan.has_peer ? find_peer(scene.guard.peers, plan) : nullptr;
  if (peer != nullptr && peer->state == PeerState::kDead && rests_on_silence(authority)) {
    place.answer.detected_at = peer->dead_due;
  }
}

void Takeover::owe_withheld(std::size_t slot, std::uint64_t epoch, Guard guard) noexcept {
  board_.slots[slot].refuse();
  Answer& answer = slots_[slot].answer;
  answer.owed = true;
  answer.fired = false;
  answer.epoch = epoch;
  answer.guard = guard;
}

void Takeover::take_results(const TakeoverScene& scene) noexcept {
  while (steps_ != nullptr && steps_->next_result(result_)) {
    const auto errand = static_cast<Errand>(result_.token & 0xff);
    const std::size_t slot = result_.token >> kErrandBits & 0xff;
    if (slot >= kSlots) continue;
    switch (errand) {
      case Errand::kPlan: plan_done(slot, result_, scene.guard.now); break;
      case Errand::kRemove:
      case Errand::kCheck: release_done(slot, result_, scene.guard.now); break;
      case Errand::kRefresh: refresh_done(slot, result_, scene.guard.now); break;
    }
  }
}

void Takeover::plan_done(std::size_t slot, const net::StepBatchResult& result, Micros now) noexcept {
  Slot& place = slots_[slot];
  if (!place.firing || result.token != place.plan_token) return;
  place.firing = false;
  // Nothing was done, or everything was taken back: only then the plan may be said not to have acted.
  Guard guard = Guard::kNone;
  bool untouched = result.count > 0;
  for (std::uint32_t i = 0; i < result.count; ++i) {
    const Guard why = guard_of_errno(result.results[i].error);
    if (why == Guard::kNone) untouched = false;
    if (guard == Guard::kNone) guard = why;
  }
  if (untouched) {
    if (place.unclaimed) {
      place.holding.held = false;
      note_claimed(slot);
      tell_page(slot);
    }
    return owe_withheld(slot, place.answer.epoch, guard);
  }
  Answer& answer = place.answer;
  answer.owed = true;
  answer.fired = true;
  answer.first_address_at = result.first_address_at_us;
  answer.first_announce_at = result.first_announce_at_us;
  answer.count = std::min<std::uint32_t>(result.count, net::kBatchStepsMax);
  for (std::uint32_t i = 0; i < answer.count; ++i) answer.errors[i] = result.results[i].error;
  // Every address was added with its lifetime: the next look at it is due when the first refresh is.
  place.lifetime_known = true;
  const Micros life = Micros{place.lifetime_s} * kMicrosPerSecond;
  place.refresh_at = life == 0 ? kNever : now + life / 3;
}

void Takeover::pay_answers(Micros now) noexcept {
  for (const std::size_t slot : SlotSet(live_)) {
    Slot& place = slots_[slot];
    if (place.owes_released) {
      place.owes_released = !publisher_.publish({.type = RecordType::kGroupReleased,
                                                 .at = now,
                                                 .flags = kFlagOk,
                                                 .previous = place.released_epoch,
                                                 .count = static_cast<std::uint32_t>(slot)});
      if (place.owes_released) again_at_ = now + 10 * kMicrosPerMilli;
    }
    if (place.owes_expired) {
      place.owes_expired = !publisher_.publish(
          {.type = RecordType::kOwnershipExpired, .at = now, .count = static_cast<std::uint32_t>(slot)});
      if (place.owes_expired) again_at_ = now + 10 * kMicrosPerMilli;
    }
    Answer& answer = place.answer;
    if (!answer.owed) continue;
    if (!publish_answer(slot, now)) {
      again_at_ = now + 10 * kMicrosPerMilli;
      return;
    }
    answer.owed = false;
    if (answer.fired && place.unclaimed) place.unclaimed_since = now;
    if (answer.fired) {
      board_.slots[slot].finish();
    } else {
      board_.slots[slot].rearm();
    }
  }
}

bool Takeover::publish_answer(std::size_t slot, Micros now) noexcept {
  const Answer& answer = slots_[slot].answer;
  if (!answer.fired) {
    return publisher_.publish({.type = RecordType::kPlanWithheld,
                               .at = now,
                               .previous = answer.epoch,
                               .count = static_cast<std::uint32_t>(slot),
                               .number = static_cast<std::int32_t>(answer.guard)});
  }
  std::array<std::uint8_t, kAnswerBytes> body;
  std::memcpy(&body[0], &answer.first_address_at, 8);
  std::memcpy(&body[8], &answer.first_announce_at, 8);
  std::size_t used = 16;
  for (std::uint32_t i = 0; i < answer.count; ++i) {
    std::memcpy(&body[used], &i, 4);
    std::memcpy(&body[used + 4], &answer.errors[i], 4);
    used += 8;
  }
  return publisher_.publish({.type = RecordType::kPlanFired,
                             .at = now,
                             .previous = answer.epoch,
                             .value_us = answer.detected_at,
                             .count = static_cast<std::uint32_t>(slot),
                             .body = Bytes{body.data(), used}});
}

}  // namespace twinbeat
