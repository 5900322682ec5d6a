// A second line behind every release: what the engine added ends by itself when nobody refreshes it. Refreshing goes
// through the netlink thread with the group's stamp, so that a release in between voids it.
#include <algorithm>
#include <cerrno>

#include "core/takeover/takeover.h"

namespace twinbeat {

namespace {

constexpr Micros kLifetimeLeast = 10 * kMicrosPerSecond;
// Nothing was there yet: the take is still under way.
constexpr Micros kLookAgain = kMicrosPerSecond;

std::uint32_t whole_seconds(Micros time) noexcept {
  return static_cast<std::uint32_t>((time + kMicrosPerSecond - 1) / kMicrosPerSecond);
}

}  // namespace

// False: leave it as it is.
bool Takeover::wanted_lifetime(std::size_t slot, const TakeoverScene& scene, std::uint32_t& seconds) const noexcept {
  const Micros deadline = board_.ownership[slot].deadline();
  if (deadline == Ownership::kExpired) return false;
  if (deadline > 0) {
    const Micros left = (deadline - scene.guard.now) / kMicrosPerSecond;
    seconds = static_cast<std::uint32_t>(std::max<Micros>(left, 0));
    return left >= 1;
  }
  // Alone, there is nobody whose address it could be: a node that stumbles must not lose it for nobody.
  seconds = scene.peer_present ? whole_seconds(std::max(kLifetimeLeast, scene.deadtime)) : 0;
  return board_.guarded.load(std::memory_order_acquire);
}

void Takeover::drive_lifetimes(const TakeoverScene& scene) noexcept {
  const Micros now = scene.guard.now;
  // Without a guardian nobody would refresh them while one daemon makes way for the next.
  if (!board_.guarded.load(std::memory_order_acquire)) return;
  board_.page.set_lifetime(scene.peer_present ? whole_seconds(std::max(kLifetimeLeast, scene.deadtime)) : 0);
  for (const std::size_t slot : SlotSet(live_)) {
    Slot& place = slots_[slot];
    const bool busy = place.release != Release::kNone || place.refresh_token != 0 || place.firing;
    const bool idle = !place.holding.held || busy;
    if (idle || lapsed_ || table_ == nullptr || table_->of(slot).empty()) continue;
    std::uint32_t seconds = 0;
    if (!wanted_lifetime(slot, scene, seconds)) continue;
    const Micros deadline = board_.ownership[slot].deadline();
    const bool renewed = deadline > 0 && deadline != place.lifetime_for;
    const bool turned = place.lifetime_known && (seconds == 0) != (place.lifetime_s == 0);
    if (!place.lifetime_known || renewed || turned || now >= place.refresh_at) order_refresh(slot, seconds, scene);
  }
}

void Takeover::order_refresh(std::size_t slot, std::uint32_t seconds, const TakeoverScene& scene) noexcept {
  Slot& place = slots_[slot];
  net::StepBatch* batch = steps_ == nullptr ? nullptr : steps_->claim();
  place.lifetime_known = true;
  place.refresh_at = scene.guard.now + kLookAgain;
  if (batch == nullptr) return;
  place.lifetime_s = seconds;
  place.lifetime_for = board_.ownership[slot].deadline();
  place.refresh_token = new_token(Errand::kRefresh, slot);
  batch->token = place.refresh_token;
  batch->not_after_us = std::max<Micros>(place.lifetime_for, 0);
  batch->group = static_cast<std::uint32_t>(slot);
  batch->stamp = steps_->group_stamp(batch->group);
  batch->flags = net::kBatchRefresh;
  batch->count = 0;
  for (const net::AddressStep& address : table_->of(slot)) {
    net::AddressStep& step = batch->steps[batch->count++];
    step = address;
    step.flags = static_cast<std::uint16_t>(step.flags | net::kStepQuiet);
    step.valid_lft_s = seconds;
  }
  steps_->commit();
}

void Takeover::refresh_done(std::size_t slot, const net::StepBatchResult& result, Micros now) noexcept {
  Slot& place = slots_[slot];
  if (result.token != place.refresh_token) return;
  place.refresh_token = 0;
  bool all = result.count > 0;
  for (std::uint32_t i = 0; i < result.count; ++i) all = all && result.results[i].error == 0;
  const Micros life = Micros{place.lifetime_s} * kMicrosPerSecond;
  if (!all) {
    place.refresh_at = now + kLookAgain;
  } else {
    place.refresh_at = life == 0 ? kNever : now + life / 3;
  }
}

}  // namespace twinbeat
