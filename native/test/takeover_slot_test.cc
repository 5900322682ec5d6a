// The word of a plan slot: every interleaving of a controller and an engine on it, and a race of the two.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "core/takeover/plan_slot.h"

namespace twinbeat::test {

namespace {

// Two threads of which one runs at a time; every access of the word is a moment at which the other may come first.
class Turns {
 public:
  static constexpr int kNobody = -1;

  void begin(const std::vector<int>& schedule) {
    schedule_ = &schedule;
    at_ = 0;
    done_[0] = done_[1] = false;
    taken_.clear();
  }
  // Blocks until it is this thread's turn.
  void await(int who) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return whose() == who; });
    // A turn that could not have been the engine's is no choice that could be made differently.
    taken_.push_back(who == 0 && !done_[1] ? 0 : 1);
    ++at_;
    lock.unlock();
    changed_.notify_all();
  }
  void finish(int who) {
    {
      const std::lock_guard lock(mutex_);
      done_[who] = true;
    }
    changed_.notify_all();
  }
  [[nodiscard]] const std::vector<int>& taken() const { return taken_; }

 private:
  // Beyond the schedule, and where it names one who has finished, the other goes on.
  [[nodiscard]] int whose() const {
    const int wanted = at_ < schedule_->size() ? (*schedule_)[at_] : 0;
    return done_[wanted] ? 1 - wanted : wanted;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  const std::vector<int>* schedule_ = nullptr;
  std::size_t at_ = 0;
  bool done_[2] = {false, false};
  std::vector<int> taken_;
};

Turns turns;
thread_local int self = 0;

class TurnWord {
 public:
  explicit TurnWord(std::uint64_t value) : value_(value) {}
  std::uint64_t load(std::memory_order) const {
    turns.await(self);
    return value_.load();
  }
  void store(std::uint64_t value, std::memory_order) {
    turns.await(self);
    value_.store(value);
  }
  bool compare_exchange_weak(std::uint64_t& expected, std::uint64_t wanted, std::memory_order, std::memory_order) {
    turns.await(self);
    return value_.compare_exchange_strong(expected, wanted);
  }

 private:
  std::atomic<std::uint64_t> value_;
};

struct Body {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

struct Seen {
  std::vector<std::pair<std::uint64_t, DisarmAnswer>> disarmed;
  std::vector<std::uint64_t> fired;
  std::vector<std::uint64_t> withheld;
  bool whole = true;  // no plan was ever seen half written
};

struct Attempt {
  std::uint64_t counter = 0;
  bool refuses = false;
};

struct Script {
  std::uint64_t plans = 0;         // armed and disarmed one after the other
  std::vector<Attempt> attempts;   // of the engine
};

template <typename Slot>
void controller(Slot& slot, std::uint64_t plans, std::vector<std::pair<std::uint64_t, DisarmAnswer>>& answers) {
  for (std::uint64_t counter = 1; counter <= plans; ++counter) {
    const ArmAnswer armed = slot.arm(counter, [&](Body& body) { body.first = body.last = counter; });
    if (armed == ArmAnswer::kArmed) answers.emplace_back(counter, slot.disarm(counter));
  }
}

template <typename Slot>
void engine(Slot& slot, const std::vector<Attempt>& attempts, Seen& seen) {
  for (const auto& [counter, refuses] : attempts) {
    const Body* body = slot.claim(counter);
    if (body == nullptr) continue;
    seen.whole = seen.whole && body->first == counter && body->last == counter;
    if (refuses) {
      slot.refuse();
      seen.withheld.push_back(counter);
      slot.rearm();
    } else {
      seen.fired.push_back(counter);
      slot.finish();
    }
  }
}

// One life under one schedule; returns who took which turn.
std::vector<int> play(const Script& script, const std::vector<int>& schedule, Seen& seen) {
  turns.begin(schedule);
  PlanSlot<Body, TurnWord> slot;
  std::thread other([&] {
    self = 1;
    engine(slot, script.attempts, seen);
    turns.finish(1);
  });
  self = 0;
  controller(slot, script.plans, seen.disarmed);
  turns.finish(0);
  other.join();
  return turns.taken();
}

void check_life(const Seen& seen) {
  REQUIRE(seen.whole);
  for (std::size_t i = 0; i < seen.fired.size(); ++i) {
    for (std::size_t k = i + 1; k < seen.fired.size(); ++k) REQUIRE(seen.fired[i] != seen.fired[k]);
  }
  for (const auto& [counter, answer] : seen.disarmed) {
    const bool fired = std::find(seen.fired.begin(), seen.fired.end(), counter) != seen.fired.end();
    const bool withheld = std::find(seen.withheld.begin(), seen.withheld.end(), counter) != seen.withheld.end();
    switch (answer) {
      case DisarmAnswer::kDisarmed: REQUIRE_FALSE(fired); break;
      case DisarmAnswer::kFired: REQUIRE(fired); break;
      case DisarmAnswer::kFiring: REQUIRE((fired || withheld)); break;
      case DisarmAnswer::kUnknown: FAIL("an armed plan is never unknown"); break;
    }
  }
}

}  // namespace

// Depth first over all schedules: the last turn that could have gone to the engine goes to it next.
void play_all(const Script& script) {
  std::vector<int> schedule;
  std::size_t lives = 0;
  bool disarmed = false;
  bool fired = false;
  bool firing = false;
  do {
    Seen seen;
    std::vector<int> taken = play(script, schedule, seen);
    ++lives;
    check_life(seen);
    fired = fired || !seen.fired.empty();
    for (const auto& [counter, answer] : seen.disarmed) {
      disarmed = disarmed || answer == DisarmAnswer::kDisarmed;
      firing = firing || answer == DisarmAnswer::kFiring;
    }
    while (!taken.empty() && taken.back() == 1) taken.pop_back();
    if (!taken.empty()) taken.back() = 1;
    schedule = std::move(taken);
  } while (!schedule.empty());
  MESSAGE("lives played: " << lives);
  CHECK(disarmed);
  CHECK(fired);
  CHECK(firing);
}

TEST_CASE("in every interleaving of disarm with a refused and repeated claim exactly one wins") {
  play_all({.plans = 1, .attempts = {{1, true}, {1, true}, {1, false}}});
}

TEST_CASE("in every interleaving of two plans with the claims of both none fires after its disarm") {
  play_all({.plans = 2, .attempts = {{1, true}, {1, false}, {2, true}, {2, false}}});
}

TEST_CASE("the counter of a slot is never used twice") {
  PlanSlot<Body> slot;
  const auto nothing = [](Body&) {};
  CHECK(slot.arm(5, nothing) == ArmAnswer::kArmed);
  CHECK(slot.arm(6, nothing) == ArmAnswer::kBusy);
  CHECK(slot.disarm(5) == DisarmAnswer::kDisarmed);
  CHECK(slot.disarm(5) == DisarmAnswer::kUnknown);
  CHECK(slot.arm(5, nothing) == ArmAnswer::kStale);
  CHECK(slot.arm(4, nothing) == ArmAnswer::kStale);
  CHECK(slot.arm(SlotWord::kCounterMax + 1, nothing) == ArmAnswer::kStale);
  CHECK(slot.arm(6, nothing) == ArmAnswer::kArmed);
  CHECK(slot.claim(5) == nullptr);
  CHECK(slot.claim(6) != nullptr);
  CHECK(slot.disarm(6) == DisarmAnswer::kFiring);
  slot.finish();
  CHECK(slot.disarm(6) == DisarmAnswer::kFired);
  CHECK(slot.claim(6) == nullptr);
  CHECK(slot.arm(7, nothing) == ArmAnswer::kArmed);
}

TEST_CASE("controller and engine race on a slot: each plan has one end, and none is seen half written") {
  constexpr std::uint64_t kPlans = 5'000'000;  // four operations each
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(4);
  PlanSlot<Body> slot;
  std::atomic<std::uint64_t> armed{0};
  std::atomic<bool> over{false};
  std::uint64_t fired_there = 0;
  std::uint64_t torn = 0;
  std::thread other([&] {
    std::uint64_t turn = 0;
    while (!over.load(std::memory_order_acquire)) {
      const std::uint64_t counter = armed.load(std::memory_order_relaxed);
      const Body* body = slot.claim(counter);
      if (body == nullptr) continue;
      if (body->first != counter || body->last != counter) ++torn;
      if (++turn % 3 == 0) {
        slot.refuse();
        slot.rearm();
      } else {
        ++fired_there;
        slot.finish();
      }
    }
  });
  std::uint64_t disarmed = 0;
  std::uint64_t fired_here = 0;
  std::uint64_t counter = 0;
  while (counter < kPlans && ((counter & 1023) != 0 || std::chrono::steady_clock::now() < until)) {
    ++counter;
    REQUIRE(slot.arm(counter, [&](Body& body) { body.first = body.last = counter; }) == ArmAnswer::kArmed);
    armed.store(counter, std::memory_order_relaxed);
    if ((counter & 63) == 0) std::this_thread::yield();
    DisarmAnswer answer = slot.disarm(counter);
    while (answer == DisarmAnswer::kFiring) answer = slot.disarm(counter);
    REQUIRE(answer != DisarmAnswer::kUnknown);
    (answer == DisarmAnswer::kDisarmed ? disarmed : fired_here) += 1;
  }
  over.store(true, std::memory_order_release);
  other.join();
  MESSAGE("plans: " << counter << ", disarmed " << disarmed << ", fired " << fired_here);
  CHECK(torn == 0);
  CHECK(fired_here == fired_there);
  CHECK(disarmed + fired_here == counter);
}

}  // namespace twinbeat::test
