// Letting go: removals, looked at again, repeated until they are true. Needs no authority and no JavaScript.
#include <cerrno>

#include "core/takeover/takeover.h"

namespace twinbeat {

namespace {

constexpr Micros kTryAgainSoon = 50 * kMicrosPerMilli;
constexpr Micros kTryAgainLater = kMicrosPerSecond;
// So often in a row before it is said that the kernel does not let go; it is tried further all the same.
constexpr std::uint32_t kTriesSoon = 20;

bool is_absent(int error) noexcept { return error == EADDRNOTAVAIL || error == ENODEV; }

}  // namespace

void Takeover::begin_release(std::size_t slot, bool say_gasp) noexcept {
  Slot& place = slots_[slot];
  // First of all: whatever waits in a ring to be added is void.
  if (steps_ != nullptr) steps_->void_group(static_cast<std::uint32_t>(slot));
  // What is held now: the controller may say that it is not any more before the second look has confirmed it.
  if (say_gasp && place.holding.held && !place.unclaimed && !place.holding.agent_busy) {
    place.say_gasp = true;
    place.gasp_claim = place.holding.claim_epoch;
  }
  // One under way may have removed before the void: it begins anew.
  place.release = Release::kWanted;
  place.release_token = 0;
  place.release_at = 0;
  place.tries = 0;
  place.told_failure = false;
}

void Takeover::drive_releases(const TakeoverScene& scene, TakeoverVoice& voice) noexcept {
  const Micros now = scene.guard.now;
  for (const std::size_t slot : SlotSet(live_)) {
    Slot& place = slots_[slot];
    if (place.release == Release::kWaiting && now >= place.release_at) place.release = Release::kWanted;
    if (place.release == Release::kWanted || place.release == Release::kRemoved) {
      const bool nothing = table_ == nullptr || table_->of(slot).empty();
      if (nothing) {
        finish_release(slot, scene, voice);
      } else if (!order_release(slot, place.release == Release::kWanted ? Errand::kRemove : Errand::kCheck)) {
        again_at_ = now + kMicrosPerMilli;
      }
    }
    // Set by release_done() when the second look found nothing.
    if (place.release == Release::kChecking && place.release_token == 0) finish_release(slot, scene, voice);
  }
}

bool Takeover::order_release(std::size_t slot, Errand errand) noexcept {
  net::StepBatch* batch = steps_ == nullptr ? nullptr : steps_->claim();
  if (batch == nullptr) return false;
  Slot& place = slots_[slot];
  place.release_token = new_token(errand, slot);
  place.release = errand == Errand::kRemove ? Release::kRemoving : Release::kChecking;
  batch->token = place.release_token;
  batch->not_after_us = 0;
  batch->group = static_cast<std::uint32_t>(slot);
  batch->stamp = steps_->group_stamp(batch->group);
  batch->flags = 0;
  batch->count = 0;
  const auto addresses = table_->of(slot);
  const auto order = [&](net::StepOp op) {
    for (const net::AddressStep& address : addresses) {
      net::AddressStep& step = batch->steps[batch->count++];
      step = address;
      step.op = op;
      step.flags = 0;
      step.label[0] = '\0';
    }
  };
  if (errand == Errand::kRemove) order(net::StepOp::kRemove);
  // The look goes along with the removals where it has room: it is a look of its own all the same.
  const bool looks = errand == Errand::kCheck || 2 * addresses.size() <= net::kBatchStepsMax;
  place.removals = batch->count;
  place.looked_in = looks ? table_->revision : 0;
  if (looks) order(net::StepOp::kQuery);
  steps_->commit();
  return true;
}

void Takeover::release_done(std::size_t slot, const net::StepBatchResult& result, Micros now) noexcept {
  Slot& place = slots_[slot];
  if (place.release_token == 0 || result.token != place.release_token) return;
  bool good = result.count >= place.removals;
  for (std::uint32_t i = 0; i < result.count; ++i) {
    const int error = result.results[i].error;
    good = good && (i < place.removals ? error == 0 : is_absent(error));
  }
  place.release_token = 0;
  if (good) {
    // Another definition meanwhile: looked for again, in that one.
    const bool looked = place.looked_in == table_->revision && result.count > place.removals;
    place.release = looked ? Release::kChecking : Release::kRemoved;
    return;
  }
  ++place.tries;
  place.release = Release::kWaiting;
  place.release_at = now + (place.tries < kTriesSoon ? kTryAgainSoon : kTryAgainLater);
  if (place.tries < kTriesSoon || place.told_failure) return;
  place.told_failure = publisher_.publish({.type = RecordType::kGroupReleased,
                                           .at = now,
                                           .previous = place.holding.claim_epoch,
                                           .count = static_cast<std::uint32_t>(slot)});
}

void Takeover::finish_release(std::size_t slot, const TakeoverScene& scene, TakeoverVoice& voice) noexcept {
  Slot& place = slots_[slot];
  const std::uint64_t epoch = place.holding.claim_epoch;
  const bool was_held = place.holding.held;
  place.release = Release::kNone;
  place.release_token = 0;
  place.holding.held = false;
  note_claimed(slot);
  place.lifetime_known = false;
  tell_page(slot);
  board_.page.set_release_by(slot, 0);
  place.owes_released = true;
  place.released_epoch = epoch;
  place.let_go = was_held;
  const bool address_only = table_ != nullptr && table_->groups[slot].address_only;
  if (place.say_gasp && address_only && !place.holding.agent_busy && scene.gasp_is_heard) {
    voice.say_gasp(slot, place.gasp_claim);
  }
  place.say_gasp = false;
}

}  // namespace twinbeat
