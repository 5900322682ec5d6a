// An engine that wakes too late is called by another processor: here a thread that plays one, and sleeps for ever.
#include <doctest/doctest.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>
#include <thread>

#include "core/engine/rescue.h"
#include "core/wire/envelope.h"
#include "core/wire/hb_text.h"

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
  explicit Sleeper(Rescue::Move move = &::sched_setaffinity)
      : event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), rescue(event_, nullptr, move) {}
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

namespace {

// One way out of a watcher's voice, whose other end the test holds.
class Way {
 public:
  Way() { REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends_.data()) == 0); }
  ~Way() {
    for (const int end : ends_) ::close(end);
  }
  Way(const Way&) = delete;
  Way& operator=(const Way&) = delete;

  [[nodiscard]] StandWay there() const {
    return {.target = {.way = guard::LinkWay::kDatagram, .descriptor = 0, .address_bytes = 0, .address = {}}, .fd = ends_[0]};
  }
  [[nodiscard]] std::string heard() const {
    std::array<char, 2048> bytes;
    const ssize_t size = ::recv(ends_[1], bytes.data(), bytes.size(), MSG_DONTWAIT);
    return {bytes.data(), static_cast<std::size_t>(size < 0 ? 0 : size)};
  }

 private:
  std::array<int, 2> ends_{};
};

Keyring signing() {
  Keyring keyring;
  REQUIRE(keyring.set(1, AuthMethod::kSha256, as_bytes("key")) == Status::kOk);
  REQUIRE(keyring.set_signing(1) == Status::kOk);
  return keyring;
}

std::string words() {
  std::array<std::uint8_t, 512> arena;
  std::array<std::uint8_t, 1024> bytes;
  Message message(arena);
  REQUIRE(message.add_text("t", kStandType) == Status::kOk);
  REQUIRE(message.add_text("src", "a") == Status::kOk);
  REQUIRE(message.add_hex("ts", 1) == Status::kOk);
  const Encoded encoded = encode_netstring(message, signing(), InnerAuth::kAdd, bytes);
  REQUIRE(encoded.status == Status::kOk);
  return std::string(as_text(encoded.bytes));
}

void give_voices(Rescue& rescue, const Way& way) {
  const std::array<StandWay, 1> ways{way.there()};
  for (StandVoice* voice : rescue.voices()) REQUIRE(voice->prepare(as_bytes(words()), signing(), ways));
}

bool only_on(int cpu, pid_t thread = 0) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<std::size_t>(cpu), &one);
  return ::sched_setaffinity(thread, sizeof(one), &one) == 0;
}

// As the kernel does it while the processor stands on which the thread runs.
int move_blocked(pid_t, std::size_t, const cpu_set_t*) {
  ::usleep(50'000);
  return 0;
}

// Works without a pause, above whatever the kernel would put before it, for a moment only.
void occupy(Micros span, int priority) {
  sched_param parameter{};
  parameter.sched_priority = priority;
  REQUIRE(::sched_setscheduler(0, SCHED_FIFO, &parameter) == 0);
  for (const Micros end = boottime_now() + span; boottime_now() < end;) {
  }
}

int last_cpu() {
  const cpu_set_t allowed = allowed_now();
  int last = -1;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &allowed)) last = cpu;
  }
  return last;
}

constexpr Micros kOccupied = 20 * kMicrosPerMilli;
// A host may take a processor away in the middle of one: then it stands indeed, or nobody could look.
constexpr int kTries = 10;

// An engine at work on the last processor, which it may not leave, while somebody of that priority has it.
std::uint32_t asked_while_occupied(int engine_priority, int by_priority, std::string* heard = nullptr) {
  const Way way;
  std::uint32_t said = 0;
  std::thread([&] {
    const int cpu = last_cpu();
    Sleeper engine;
    engine.rescue.guard_this_thread();
    engine.rescue.start(engine_priority + 1);
    give_voices(engine.rescue, way);
    REQUIRE(only_on(cpu));
    engine.rescue.falls_asleep(boottime_now() + kLong, kAfter);
    ::usleep(5'000);
    engine.rescue.wakes(boottime_now());
    occupy(kOccupied, by_priority);
    engine.rescue.falls_asleep(boottime_now() + kLong, kAfter);
    said = engine.rescue.take_said();
  }).join();
  if (heard != nullptr) *heard = way.heard();
  return said;
}

}  // namespace

TEST_CASE("the peer is asked to wait for an engine whose processor stands, in words that the engine left") {
  if (!can_be_rescued()) return;
  std::string heard;
  // Above the watcher of its processor: to everybody else it stands.
  for (int left = kTries; left > 0 && asked_while_occupied(1, 90, &heard) == 0;) --left;
  std::array<std::uint8_t, 2048> arena;
  Message message(arena);
  const Opened opened = open_message(as_bytes(heard), signing(), message);
  REQUIRE(opened.ok());
  CHECK(message.text("t") == kStandType);
  CHECK(message.text("src") == "a");
  CHECK(message.hex("ts").value_or(0) > 1'000'000'000);
  const auto stamp = static_cast<Micros>(message.hex(kStandStamp).value_or(0));
  CHECK(stamp <= boottime_now());
  CHECK(stamp > boottime_now() - 10 * kMicrosPerSecond);
}

TEST_CASE("to move an engine that runs takes until its processor goes on, and the peer is asked all the while") {
  if (!can_be_rescued()) return;
  const Way way;
  std::uint32_t said = 0;
  std::thread([&] {
    const int cpu = last_cpu();
    Sleeper engine(&move_blocked);
    engine.rescue.guard_this_thread();
    engine.rescue.start(2);
    give_voices(engine.rescue, way);
    cpu_set_t before = allowed_now();
    REQUIRE(only_on(cpu));
    engine.rescue.falls_asleep(boottime_now() + kLong, kAfter);
    ::usleep(5'000);
    engine.rescue.wakes(boottime_now());
    REQUIRE(::sched_setaffinity(0, sizeof(before), &before) == 0);
    occupy(kOccupied, 90);
    engine.rescue.falls_asleep(boottime_now() + kLong, kAfter);
    said = engine.rescue.take_said();
  }).join();
  CHECK(said >= 5);
}

TEST_CASE("nobody asks for an engine that hangs in its own code") {
  if (!can_be_rescued()) return;
  int left = kTries;
  while (left > 0 && asked_while_occupied(1, 1) > 0) --left;
  CHECK(left > 0);
}

TEST_CASE("nobody asks for an engine that waits for something although its processor runs") {
  if (!can_be_rescued()) return;
  const Way way;
  Sleeper engine;
  engine.rescue.guard_this_thread();
  engine.rescue.start(1);
  give_voices(engine.rescue, way);
  engine.rescue.falls_asleep(boottime_now() + kLong, kAfter);
  engine.rescue.wakes(boottime_now());
  int left = kTries;
  do {
    engine.rescue.wakes(boottime_now());
    ::usleep(static_cast<useconds_t>(kOccupied));
  } while (engine.rescue.take_said() > 0 && --left > 0);
  CHECK(left > 0);
}

TEST_CASE("a voice without words, without a way or hushed says nothing") {
  const Way way;
  const std::array<StandWay, 1> ways{way.there()};
  StandVoice voice;
  CHECK_FALSE(voice.say(1));
  REQUIRE(voice.prepare(as_bytes(words()), signing(), {}));
  CHECK_FALSE(voice.say(1));
  REQUIRE(voice.prepare(as_bytes(words()), Keyring{}, ways));
  CHECK_FALSE(voice.say(1));
  REQUIRE(voice.prepare(as_bytes(std::string(4096, 'x')), signing(), ways));
  CHECK_FALSE(voice.say(1));
  REQUIRE(voice.prepare(as_bytes(words()), signing(), ways));
  CHECK(voice.say(1));
  CHECK_FALSE(way.heard().empty());
  REQUIRE(voice.try_hush());
  CHECK_FALSE(voice.say(2));
  CHECK(way.heard().empty());
}
