#include <algorithm>

#include "guardian/guardian.h"

namespace twinbeat::guard {

namespace {

// Slower than a freeze limit of milliseconds, so that one late cycle is no reason to reset a machine.
constexpr Micros kProgressLimitLeast = kMicrosPerSecond;

}  // namespace

void Guardian::pet(Micros now) noexcept {
  if (!watchdog_.is_open() || now < pet_at_) return;
  PetSight sight{.now = now,
                 .acting = state_ == GuardianState::kActing,
                 .stopped = watchdog_stopped_,
                 .running = page_->limits.running.load(std::memory_order_acquire) != 0,
                 .keeping = state_ == GuardianState::kKeeping,
                 .progress_at = page_->progress_at_us.load(std::memory_order_acquire),
                 .progress_limit = std::max(kProgressLimitLeast, page_->limits.freeze_us.load(std::memory_order_acquire)),
                 .controller_fresh_until = page_->limits.controller_fresh_until_us.load(std::memory_order_acquire),
                 .watchdog_limit = watchdog_.timeout_s() * kMicrosPerSecond + kPetMargin};
  const auto earliest = [](Micros& known, Micros at) {
    if (at > 0 && (known == 0 || at < known)) known = at;
  };
  for (std::size_t i = 0; i < kGroupsMax; ++i) {
    const GroupSight group = read_group(*page_, i);
    earliest(sight.release_by, group.release_by);
    // Addresses alone are removed in time by engine and guardian.
    const bool services = plan_.groups[i].used != 0 && plan_.groups[i].kind != GroupKind::kAddress;
    if (services) earliest(sight.services_until, group.owned_until);
  }
  const PetVerdict before = pet_verdict_;
  pet_verdict_ = judge_petting(sight);
  pet_at_ = now + watchdog_.interval();
  if (pet_verdict_ == PetVerdict::kPet) {
    publish_watchdog(watchdog_.pet());
    page_->guardian.petted_at_us.store(now, std::memory_order_release);
    return;
  }
  if (before == PetVerdict::kPet) {
    journal_.write("watchdog.starved", "the watchdog is not petted (%u): this machine is reset within %u s unless that ends",
                   static_cast<unsigned>(pet_verdict_), watchdog_.timeout_s());
  }
  page_->guardian.watchdog_state.store(static_cast<std::uint32_t>(WatchdogState::kStarving), std::memory_order_release);
}

void Guardian::publish_watchdog(int error) noexcept {
  const auto state = error != 0 ? WatchdogState::kFailed : watchdog_.is_open() ? WatchdogState::kPetted : WatchdogState::kNone;
  GuardianWords& words = page_->guardian;
  words.watchdog_errno.store(error, std::memory_order_relaxed);
  words.watchdog_timeout_s.store(watchdog_.timeout_s(), std::memory_order_relaxed);
  words.watchdog_nowayout.store(watchdog_.nowayout() ? 1 : 0, std::memory_order_relaxed);
  words.watchdog_state.store(static_cast<std::uint32_t>(state), std::memory_order_release);
}

}  // namespace twinbeat::guard
