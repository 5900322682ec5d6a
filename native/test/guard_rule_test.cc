#include <doctest/doctest.h>

#include "core/guard/release_rule.h"

using namespace twinbeat;
using namespace twinbeat::guard;

namespace {

constexpr Micros kMs = kMicrosPerMilli;
constexpr Micros kFreeze = 100 * kMs;

// A healthy daemon that holds something a live peer would take, seen at `now`.
Sight healthy(Micros now) {
  return {.now = now, .planned = now, .running = true, .ready_or_owned = true, .progress_at = now, .freeze = kFreeze};
}

// Looks on time, `apart` from each other, while progress stands still; the look that says frozen, 0 if none of 20.
int looks_until_frozen(ReleaseRule& rule, Sight sight, Micros apart) {
  for (int look = 1; look <= 20; ++look) {
    if (rule.judge(sight).reason == ReleaseReason::kFrozen) return look;
    sight.now += apart;
    sight.planned = sight.now;
  }
  return 0;
}

}  // namespace

TEST_CASE("a healthy daemon is left alone, a dead lock is acted on at once") {
  ReleaseRule rule;
  Sight sight = healthy(1'000'000);
  CHECK(rule.judge(sight).reason == ReleaseReason::kNone);
  sight.lock_died = true;
  sight.ready_or_owned = false;  // letting go needs nobody's leave when the daemon is dead
  CHECK(rule.judge(sight).reason == ReleaseReason::kLockDied);
}

TEST_CASE("an end without a goodbye counts although no lock was ever taken") {
  ReleaseRule rule;
  Sight sight = healthy(1'000'000);
  sight.process_gone = true;
  CHECK(rule.judge(sight).reason == ReleaseReason::kProcessGone);
}

TEST_CASE("five looks on time without progress make a frozen daemon") {
  ReleaseRule rule;
  Sight sight = healthy(1'000'000);
  CHECK(rule.judge(sight).reason == ReleaseReason::kNone);
  sight.now += kFreeze + 1;
  sight.planned = sight.now;
  CHECK(looks_until_frozen(rule, sight, 10 * kMs) == kFrozenLooks);
}

TEST_CASE("an engine whose processor stands is not frozen while the peer waits for it, and then it is") {
  ReleaseRule rule;
  Sight sight = healthy(1'000'000);
  CHECK(rule.judge(sight).reason == ReleaseReason::kNone);
  const Micros stood_from = sight.now;
  while (sight.now < stood_from + kStandMostUs + kFreeze) {
    sight.now += 10 * kMs;
    sight.planned = sight.stood_at = sight.now;
    CHECK(rule.judge(sight).reason == ReleaseReason::kNone);
  }
  const int looks = looks_until_frozen(rule, sight, 10 * kMs);
  CHECK(looks > 0);
  CHECK(looks <= kFrozenLooks + 1);
}

TEST_CASE("what was said before the last progress is over") {
  ReleaseRule rule;
  Sight sight = healthy(1'000'000);
  sight.stood_at = sight.now - 50 * kMs;
  CHECK(rule.judge(sight).reason == ReleaseReason::kNone);
  sight.now += kFreeze + 1;
  sight.planned = sight.now;
  CHECK(looks_until_frozen(rule, sight, 10 * kMs) == kFrozenLooks);
}

TEST_CASE("looks that are closer than 10 ms count as one") {
  ReleaseRule rule;
  Sight sight = healthy(1'000'000);
  CHECK(rule.judge(sight).reason == ReleaseReason::kNone);
  sight.now += kFreeze + 1;
  sight.planned = sight.now;
  CHECK(looks_until_frozen(rule, sight, 2 * kMs) == 0);
}

TEST_CASE("our own lateness starts the count anew") {
  ReleaseRule rule;
  Sight sight = healthy(1'000'000);
  CHECK(rule.judge(sight).reason == ReleaseReason::kNone);
  sight.now += kFreeze + 1;
  for (int look = 0; look < 50; ++look) {
    sight.now += 10 * kMs;
    sight.planned = look % 4 == 3 ? sight.now - 60 * kMs : sight.now;
    CHECK(rule.judge(sight).reason == ReleaseReason::kNone);
  }
}

TEST_CASE("a pause of ours between two looks starts the count anew, whoever woke us after it") {
  ReleaseRule rule;
  Sight sight = healthy(1'000'000);
  CHECK(rule.judge(sight).reason == ReleaseReason::kNone);
  sight.now += kFreeze + 1;
  sight.planned = 0;
  for (int look = 0; look < 50; ++look) {
    sight.now += look % 3 == 2 ? 500 * kMs : 10 * kMs;
    CHECK(rule.judge(sight).reason == ReleaseReason::kNone);
  }
}

TEST_CASE("without a ready peer, under a tracer, before it runs or without a limit nothing counts as frozen") {
  const auto frozen_when = [](auto change) {
    ReleaseRule rule;
    Sight sight = healthy(1'000'000);
    change(sight);
    static_cast<void>(rule.judge(sight));
    sight.now += 10 * kFreeze;
    sight.planned = sight.now;
    return looks_until_frozen(rule, sight, 10 * kMs) != 0;
  };
  CHECK(frozen_when([](Sight&) {}));
  CHECK_FALSE(frozen_when([](Sight& sight) { sight.ready_or_owned = false; }));
  CHECK_FALSE(frozen_when([](Sight& sight) { sight.traced = true; }));
  CHECK_FALSE(frozen_when([](Sight& sight) { sight.running = false; }));
  CHECK_FALSE(frozen_when([](Sight& sight) { sight.freeze = 0; }));
}

TEST_CASE("until keepUntil a dead daemon is waited for, afterwards it is not") {
  ReleaseRule rule;
  Sight sight = healthy(1'000'000);
  sight.keep_until = sight.now + 1000 * kMs;
  sight.lock_died = true;
  sight.process_gone = true;
  const Judgement kept = rule.judge(sight);
  CHECK(kept.reason == ReleaseReason::kNone);
  CHECK(kept.keeping);
  CHECK(kept.look_again_at <= sight.keep_until);
  sight.now = sight.keep_until;
  CHECK(rule.judge(sight).reason == ReleaseReason::kKeepOver);
}

TEST_CASE("a passed releaseBy is acted on, kept or not") {
  ReleaseRule rule;
  Sight sight = healthy(1'000'000);
  sight.release_by = sight.now + 30 * kMs;
  const Judgement before = rule.judge(sight);
  CHECK(before.reason == ReleaseReason::kNone);
  CHECK(before.look_again_at <= sight.release_by);
  sight.now = sight.release_by;
  sight.keep_until = sight.now + 1000 * kMs;
  CHECK(rule.judge(sight).reason == ReleaseReason::kReleaseBy);
}

TEST_CASE("the watchdog is petted while the whole chain is fresh, and for nothing less") {
  const Micros now = 5'000'000;
  const PetSight fresh{.now = now, .running = true, .progress_at = now - 1000, .progress_limit = 1000 * kMs,
                       .controller_fresh_until = now + 1, .release_by = now + 1};
  CHECK(judge_petting(fresh) == PetVerdict::kPet);
  PetSight sight = fresh;
  sight.progress_at = now - sight.progress_limit - 1;
  CHECK(judge_petting(sight) == PetVerdict::kEngineLate);
  sight.running = false;  // not started yet
  CHECK(judge_petting(sight) == PetVerdict::kPet);
  sight = fresh;
  sight.controller_fresh_until = now;
  CHECK(judge_petting(sight) == PetVerdict::kControllerLate);
  sight.keeping = true;  // nobody renews between two daemons
  CHECK(judge_petting(sight) == PetVerdict::kPet);
  sight.release_by = now;
  CHECK(judge_petting(sight) == PetVerdict::kReleaseOverdue);
  sight = fresh;
  sight.acting = true;
  CHECK(judge_petting(sight) == PetVerdict::kReleasing);
  sight.stopped = true;
  CHECK(judge_petting(sight) == PetVerdict::kStopped);
}

TEST_CASE("services that may soon be somebody else's end with the machine before that, kept or not") {
  const Micros now = 50'000'000;
  PetSight sight{.now = now, .running = true, .progress_at = now, .progress_limit = 1000 * kMs,
                 .services_until = now + 11'000 * kMs + 1, .watchdog_limit = 10'000 * kMs + kPetMargin};
  CHECK(judge_petting(sight) == PetVerdict::kPet);
  sight.now += 1;
  CHECK(judge_petting(sight) == PetVerdict::kServicesOverdue);
  sight.keeping = true;
  CHECK(judge_petting(sight) == PetVerdict::kServicesOverdue);
  sight.services_until = 0;
  CHECK(judge_petting(sight) == PetVerdict::kPet);
}

TEST_CASE("a watchdog that has not ended services in its time must hurry, once, and is petted no more") {
  const Micros until = 50'000'000;
  PetSight sight{.now = until - 1, .acting = true, .running = true, .progress_at = until, .progress_limit = 1000 * kMs,
                 .services_until = until, .watchdog_limit = 5'000 * kMs + kPetMargin};
  CHECK_FALSE(must_hurry(sight));
  sight.now = until;
  CHECK(must_hurry(sight));
  sight.hurried = true;
  CHECK_FALSE(must_hurry(sight));
  CHECK(judge_petting(sight) == PetVerdict::kHurried);
  // Not even when everything is as it should be again.
  sight.acting = false;
  sight.services_until = 0;
  CHECK(judge_petting(sight) == PetVerdict::kHurried);
  sight.hurried = false;
  CHECK(judge_petting(sight) == PetVerdict::kPet);
  CHECK_FALSE(must_hurry(sight));  // nothing but addresses, or nothing owned
}

TEST_CASE("a device that is closed starts anew: in the last stretch before services are somebody else's it must hurry") {
  const Micros until = 50'000'000;
  PetSight sight{.now = until - 6'000 * kMs - 1, .acting = true, .services_until = until,
                 .watchdog_limit = 5'000 * kMs + kPetMargin, .ending = true};
  CHECK_FALSE(must_hurry(sight));  // a whole time of the device fits before
  sight.now += 1;
  CHECK(must_hurry(sight));
  sight.ending = false;
  CHECK_FALSE(must_hurry(sight));
}
