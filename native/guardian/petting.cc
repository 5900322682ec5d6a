#include <algorithm>
#include <cstring>

#include "guardian/guardian.h"

namespace twinbeat::guard {

namespace {

// Slower than a freeze limit of milliseconds, so that one late cycle is no reason to reset a machine.
constexpr Micros kProgressLimitLeast = kMicrosPerSecond;

}  // namespace

PetSight Guardian::pet_sight(Micros now) const noexcept {
  PetSight sight{.now = now,
                 .acting = state_ == GuardianState::kActing,
                 .stopped = watchdog_stopped_,
                 .running = page_->limits.running.load(std::memory_order_acquire) != 0,
                 .keeping = state_ == GuardianState::kKeeping,
                 .progress_at = page_->progress_at_us.load(std::memory_order_acquire),
                 .progress_limit = std::max(kProgressLimitLeast, page_->limits.freeze_us.load(std::memory_order_acquire)),
                 .controller_fresh_until = page_->limits.controller_fresh_until_us.load(std::memory_order_acquire),
                 .watchdog_limit = watchdog_.timeout_s() * kMicrosPerSecond + kPetMargin,
                 .ending = done_,
                 .hurried = hurried_};
  const auto earliest = [](Micros& known, Micros at) {
    if (at > 0 && (known == 0 || at < known)) known = at;
  };
  for (std::size_t i = 0; i < kGroupsMax; ++i) {
    const GroupSight group = read_group(*page_, i);
    earliest(sight.release_by, group.release_by);
    // Addresses alone are removed in time by engine and guardian.
    const bool services = plan_.groups[i].used != 0 && plan_.groups[i].kind != GroupKind::kAddress && !ended_.test(i);
    if (services) earliest(sight.services_until, group.owned_until);
  }
  return sight;
}

void Guardian::pet(Micros now) noexcept {
  if (!watchdog_.is_open()) return;
  PetSight sight = pet_sight(now);
  if (must_hurry(sight)) {
    hurry();
    sight.hurried = hurried_;
    pet_at_ = 0;
  }
  hurry_at_ = sight.services_until > now && !hurried_ ? sight.services_until : 0;
  if (now < pet_at_) return;
  const PetVerdict before = pet_verdict_;
  pet_verdict_ = judge_petting(sight);
  pet_at_ = now + watchdog_.interval();
  if (pet_verdict_ == PetVerdict::kPet) {
    publish_watchdog(watchdog_.pet());
    page_->guardian.petted_at_us.store(now, std::memory_order_release);
    return;
  }
  if (before == PetVerdict::kPet && !hurried_) {
    journal_.write("watchdog.starved", "the watchdog is not petted (%u): this machine is reset within %u s unless that ends",
                   static_cast<unsigned>(pet_verdict_), watchdog_.timeout_s());
  }
  page_->guardian.watchdog_state.store(static_cast<std::uint32_t>(WatchdogState::kStarving), std::memory_order_release);
}

// Nothing else is left: what runs here cannot be told to end, and reboot(2) is not this program's to call.
void Guardian::hurry() noexcept {
  hurried_ = true;
  const std::uint32_t before = watchdog_.timeout_s();
  const int error = watchdog_.hurry();
  const char* why = error == 0 ? "services may run on that are somebody else's" : std::strerror(error);
  journal_.write("watchdog.hurried", "%s: the watchdog is petted no more, its time was %u s and is %u s", why, before,
                 watchdog_.timeout_s());
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
