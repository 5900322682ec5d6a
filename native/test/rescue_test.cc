// An engine that wakes too late is called by another processor: here a thread that plays one, and sleeps for ever.
#include <doctest/doctest.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <thread>

#include "core/engine/rescue.h"

using namespace twinbeat;

namespace {

constexpr Micros kAfter = 1'000;
constexpr Micros kLong = 3600 * kMicrosPerSecond;
constexpr int kCalledMaxMs = 5'000;
constexpr int kQuietMs = 50;

bool can_be_rescued() {
  sched_param parameter{};
  parameter.sched_priority = 1;
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  bool fifo = false;
  std::thread([&] { fifo = ::sched_setscheduler(0, SCHED_FIFO, &parameter) == 0; }).join();
  const bool can = fifo && ::sched_getaffinity(0, sizeof(allowed), &allowed) == 0 && CPU_COUNT(&allowed) > 1;
  if (!can) MESSAGE("not tested: needs real-time scheduling and two processors");
  return can;
}

cpu_set_t allowed_now() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  REQUIRE(::sched_getaffinity(0, sizeof(allowed), &allowed) == 0);
  return allowed;
}

class Sleeper {
 public:
  Sleeper() : event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), rescue(event_) {}
  ~Sleeper() {
    rescue.stop();
    ::close(event_);
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;

  // True: it was called, within that time.
  bool sleeps(Micros until, Micros after, int most_ms) {
    rescue.falls_asleep(until, after);
    pollfd readable{event_, POLLIN, 0};
    const bool called = ::poll(&readable, 1, most_ms) == 1;
    std::uint64_t value = 0;
    if (called) REQUIRE(::read(event_, &value, sizeof(value)) == sizeof(value));
    return called;
  }

 private:
  const int event_;

 public:
  Rescue rescue;
};

}  // namespace

TEST_CASE("who does not wake in time is called, from another processor, and may go back there afterwards") {
  if (!can_be_rescued()) return;
  Sleeper engine;
  const cpu_set_t before = allowed_now();
  engine.rescue.guard_this_thread();
  engine.rescue.start(1);
  REQUIRE(engine.sleeps(boottime_now(), kAfter, kCalledMaxMs));
  const cpu_set_t meanwhile = allowed_now();
  CHECK(CPU_COUNT(&meanwhile) == 1);
  CHECK(engine.rescue.take_called());
  CHECK_FALSE(engine.rescue.take_called());
  CHECK_FALSE(engine.sleeps(boottime_now() + kLong, kAfter, kQuietMs));
  cpu_set_t after = allowed_now();
  for (int tries = 0; !CPU_EQUAL(&after, &before) && tries < kCalledMaxMs; ++tries) {
    ::usleep(1000);
    after = allowed_now();
  }
  CHECK(CPU_EQUAL(&after, &before));
}

TEST_CASE("a sleep that is not over, one without an end and one that may be late are left alone") {
  if (!can_be_rescued()) return;
  Sleeper engine;
  engine.rescue.guard_this_thread();
  engine.rescue.start(1);
  CHECK_FALSE(engine.sleeps(boottime_now() + kLong, kAfter, kQuietMs));
  CHECK_FALSE(engine.sleeps(0, kAfter, kQuietMs));
  CHECK_FALSE(engine.sleeps(boottime_now() - kMicrosPerSecond, 0, kQuietMs));
  CHECK_FALSE(engine.rescue.take_called());
  // And from then on it counts again.
  CHECK(engine.sleeps(boottime_now(), kAfter, kCalledMaxMs));
}

TEST_CASE("who is awake for so long is fetched too: it may wait for a processor that stands") {
  if (!can_be_rescued()) return;
  Sleeper engine;
  engine.rescue.guard_this_thread();
  engine.rescue.start(1);
  engine.rescue.falls_asleep(boottime_now() + kLong, kAfter);
  engine.rescue.wakes(boottime_now());
  int tries = 0;
  while (!engine.rescue.take_called() && ++tries < kCalledMaxMs) ::usleep(1000);
  CHECK(tries < kCalledMaxMs);
}

TEST_CASE("a thread that has left is not touched any more") {
  if (!can_be_rescued()) return;
  Sleeper engine;
  const cpu_set_t before = allowed_now();
  engine.rescue.guard_this_thread();
  engine.rescue.start(1);
  engine.rescue.leaves();
  ::usleep(kQuietMs * 1000);
  engine.rescue.stop();
  const cpu_set_t after = allowed_now();
  CHECK(CPU_EQUAL(&after, &before));
  CHECK_FALSE(engine.rescue.take_called());
}
