#include "core/guard/release_rule.h"

namespace twinbeat::guard {

namespace {

// Later than this we were held up ourselves: a tenth of the limit, within what timers of a busy machine do anyway.
Micros tolerance(Micros freeze) noexcept {
  return std::clamp(freeze / 10, 5 * kMicrosPerMilli, 200 * kMicrosPerMilli);
}

bool is_over(Micros deadline, Micros now) noexcept { return deadline > 0 && now >= deadline; }

}  // namespace

// Who waits for a processor that stands is not frozen, for as long as the peer waits too.
Micros ReleaseRule::progress_of(const Sight& sight) noexcept {
  return std::max(sight.progress_at, std::min(sight.stood_at, sight.progress_at + kStandMostUs));
}

bool ReleaseRule::is_frozen(const Sight& sight) noexcept {
  const Micros progress = progress_of(sight);
  const bool stale = sight.running && sight.freeze > 0 && sight.now - progress > sight.freeze;
  const bool moved = progress != progress_;
  progress_ = progress;
  const bool late = sight.planned > 0 && sight.now - sight.planned > tolerance(sight.freeze);
  if (!stale || moved || late || sight.traced || !sight.ready_or_owned) {
    looks_ = 0;
    looked_at_ = sight.now;
    return false;
  }
  if (sight.now - looked_at_ < kFrozenApart) return false;
  // A long gap between two looks is a pause of ours, whoever woke us at its end.
  const bool gap = sight.now - looked_at_ > kFrozenApart + tolerance(sight.freeze);
  looks_ = gap ? 1 : looks_ + 1;
  looked_at_ = sight.now;
  return looks_ >= kFrozenLooks;
}

Micros ReleaseRule::next_look(const Sight& sight, bool keeping) const noexcept {
  Micros next = sight.now + kIdleLook;
  if (keeping) return std::min(next, sight.keep_until);
  if (sight.release_by > sight.now) next = std::min(next, sight.release_by);
  if (!sight.running || sight.freeze <= 0) return next;
  const Micros stale_at = progress_of(sight) + sight.freeze + 1;
  return std::min(next, std::max(stale_at, sight.now + kFrozenApart));
}

Judgement ReleaseRule::judge(const Sight& sight) noexcept {
  Judgement out;
  const bool wanted = sight.keep_until > 0;
  out.keeping = wanted && sight.now < sight.keep_until;
  const bool ended = sight.lock_died || sight.process_gone;
  if (is_over(sight.release_by, sight.now)) {
    out.reason = ReleaseReason::kReleaseBy;
  } else if (wanted && !out.keeping) {
    out.reason = ReleaseReason::kKeepOver;
  } else if (ended && !out.keeping) {
    out.reason = sight.lock_died ? ReleaseReason::kLockDied : ReleaseReason::kProcessGone;
  } else if (!out.keeping && !ended && is_frozen(sight)) {
    out.reason = ReleaseReason::kFrozen;
  }
  out.look_again_at = next_look(sight, out.keeping);
  return out;
}

PetVerdict judge_petting(const PetSight& sight) noexcept {
  if (sight.hurried) return PetVerdict::kHurried;
  if (sight.stopped) return PetVerdict::kStopped;
  if (sight.acting) return PetVerdict::kReleasing;
  if (is_over(sight.release_by, sight.now)) return PetVerdict::kReleaseOverdue;
  if (sight.services_until > 0 && sight.now >= sight.services_until - sight.watchdog_limit) return PetVerdict::kServicesOverdue;
  if (sight.keeping) return PetVerdict::kPet;
  if (sight.running && sight.now - sight.progress_at > sight.progress_limit) return PetVerdict::kEngineLate;
  if (is_over(sight.controller_fresh_until, sight.now)) return PetVerdict::kControllerLate;
  return PetVerdict::kPet;
}

bool must_hurry(const PetSight& sight) noexcept {
  if (sight.hurried || sight.services_until <= 0) return false;
  return sight.now >= sight.services_until - (sight.ending ? sight.watchdog_limit : 0);
}

}  // namespace twinbeat::guard
