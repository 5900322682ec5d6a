// After configure() the engine takes nothing from the heap: a page fault or a lock of malloc would cost a heartbeat.
// Two engines on a manual clock talk over the real links that need no privileges, and badly.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "allocation_guard.h"
#include "core/engine/engine.h"

namespace twinbeat::test {

namespace {

// A wall clock behind the kernel's: every receive stamp then counts as the moment of the cycle.
constexpr std::int64_t kLongAgo = 1'000'000'000LL * kMicrosPerSecond;

// A pty that carries bytes as they are, as a null modem does.
struct Line {
  Line() {
    ours = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    TB_ASSERT(ours >= 0 && ::grantpt(ours) == 0 && ::unlockpt(ours) == 0, "a pty");
    std::array<char, 64> name;
    TB_ASSERT(::ptsname_r(ours, name.data(), name.size()) == 0, "its name");
    theirs = ::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC);
    termios raw{};
    ::cfmakeraw(&raw);
    TB_ASSERT(theirs >= 0 && ::tcsetattr(theirs, TCSANOW, &raw) == 0, "a raw line");
  }
  ~Line() {
    ::close(ours);
    ::close(theirs);
  }
  int ours = -1;
  int theirs = -1;
};

struct Talker {
  Talker(std::string_view node, std::uint64_t seed) : name(node), engine(port, {.seed = seed, .instance = 0}) {}

  void command(CommandType type, Bytes first = {}, Bytes second = {}) {
    const auto code = static_cast<std::uint8_t>(type);
    const std::array<Bytes, 3> parts{Bytes{&code, 1}, first, second};
    static_cast<void>(port.commands.push(parts));
  }
  void number(CommandType type, std::uint64_t value, std::string_view text = {}) {
    command(type, {reinterpret_cast<const std::uint8_t*>(&value), sizeof(value)}, as_bytes(text));
  }
  void say(std::string_view value) {
    std::vector<std::uint8_t> bytes;
    const auto field = [&](std::string_view field_name, std::string_view field_value) {
      const auto size = static_cast<std::uint32_t>(field_value.size());
      std::array<std::uint8_t, 6> head{static_cast<std::uint8_t>(field_name.size()), 0};
      std::memcpy(&head[2], &size, sizeof(size));
      for (const Bytes part : {Bytes{head}, as_bytes(field_name), as_bytes(field_value)}) {
        bytes.insert(bytes.end(), part.begin(), part.end());
      }
    };
    field("t", "note");
    field("info", value);
    command(CommandType::kSend, bytes);
  }
  // Everything that is waiting is thrown away, after a count of the messages.
  void drain() {
    std::size_t size = 0;
    while (port.records.front_size(size)) {
      bytes.resize(size);
      port.records.pop(bytes.data());
      RecordHeader header;
      std::memcpy(&header, bytes.data(), sizeof(header));
      ++seen[header.type];
    }
  }
  [[nodiscard]] std::size_t of(RecordType type) const { return seen[static_cast<std::size_t>(type)]; }
  [[nodiscard]] std::uint64_t count(Counter counter) const {
    return port.counters[static_cast<std::size_t>(counter)].load();
  }

  std::string name;
  EnginePort port;
  Engine engine;
  std::vector<std::uint8_t> bytes;
  std::array<std::size_t, 64> seen{};
};

struct Conversation {
  Conversation() {
    for (Talker* talker : {&a, &b}) configure(*talker, 1, "key");
    a.number(CommandType::kGeneration, 10);
    b.number(CommandType::kGeneration, 20);
    for (Talker* talker : {&a, &b}) {
      talker->command(CommandType::kStart);
      talker->number(CommandType::kStatus, 0, "active");
      const std::uint8_t yes = 1;
      talker->command(CommandType::kPhase, {&yes, 1});
    }
    for (int i = 0; i < 100; ++i) step();
  }

  void configure(Talker& talker, std::uint64_t revision, std::string_view key) {
    auto setup = std::make_unique<Setup>();
    setup->revision = revision;
    setup->self_name.assign(talker.name);
    setup->self_uuid[0] = static_cast<std::uint8_t>(talker.name[0]);
    setup->timing = {.keepalive = 20'000, .deadtime = 500'000, .warntime = 250'000, .initdead = 5'000'000,
                     .deadping = 500'000, .rexmit_delay = 50'000};
    for (const char* const node : {"a", "b"}) {
      NodeSpec spec;
      spec.name.assign(node);
      TB_ASSERT(setup->nodes.push_back(spec) == Status::kOk, "two nodes fit");
    }
    add_links(*setup, &talker == &a);
    TB_ASSERT(setup->keyring.set(1, AuthMethod::kSha1, as_bytes(key)) == Status::kOk, "key");
    TB_ASSERT(setup->keyring.set_signing(1) == Status::kOk, "signing key");
    talker.number(CommandType::kConfigure, reinterpret_cast<std::uintptr_t>(setup.release()));
  }

  void add_links(Setup& setup, bool first) {
    LinkSpec loop;
    loop.type = LinkType::kLoopback;
    loop.name.assign("loop");
    loop.channel = 60;
    loop.loss_percent = 20;
    loop.duplicate_percent = 20;
    loop.seed = first ? 1 : 2;
    LinkSpec udp;
    udp.type = LinkType::kUcast;
    udp.name.assign("udp");
    udp.address.assign("127.0.0.1");
    udp.local_address.assign("127.0.0.1");
    const auto base = static_cast<std::uint16_t>(40'000 + ::getpid() % 10'000 * 2);
    udp.port = static_cast<std::uint16_t>(base + (first ? 1 : 0));
    udp.local_port = static_cast<std::uint16_t>(base + (first ? 0 : 1));
    LinkSpec serial;
    serial.type = LinkType::kSerial;
    serial.name.assign("line");
    serial.baud = 115'200;
    serial.fd = ::fcntl(first ? line.ours : line.theirs, F_DUPFD_CLOEXEC, 3);
    LinkSpec ping;
    ping.type = LinkType::kPing;
    ping.name.assign("gateway");
    AddressText host;
    host.assign("127.0.0.1");
    TB_ASSERT(ping.hosts.push_back(host) == Status::kOk, "one host fits");
    for (const LinkSpec& link : {loop, udp, serial, ping}) {
      TB_ASSERT(setup.links.push_back(link) == Status::kOk, "links fit");
    }
  }

  void step() {
    now += 5'000;
    for (Talker* talker : {&a, &b}) {
      const AllocationGuard guard;
      talker->engine.do_work({now, kLongAgo});
      allocated += guard.count();
    }
    a.drain();
    b.drain();
  }

  Line line;
  Talker a{"a", 7};
  Talker b{"b", 8};
  Micros now = 1'000'000'000;
  std::size_t allocated = 0;
};

}  // namespace

TEST_CASE("the guard sees every way to the heap" * doctest::skip(!kAllocationsCounted)) {
  const AllocationGuard guard;
  const auto one = std::make_unique<int>(1);
  void* const two = ::malloc(10);
  std::vector<int> three(100);
  struct alignas(64) Wide {
    int value;
  };
  const auto four = std::make_unique<Wide>();
  CHECK(guard.count() == 4);
  ::free(two);
  static_cast<void>(three);
}

TEST_CASE_FIXTURE(Conversation, "duty cycles with traffic, loss, repeats and restarts take nothing from the heap" *
                                    doctest::skip(!kAllocationsCounted)) {
  allocated = 0;
  constexpr int kCycles = 6'000;
  const std::string text(300, 'x');
  for (int i = 0; i < kCycles; ++i) {
    if (i % 5 == 0) a.say(text);
    if (i % 7 == 0) b.say("short");
    if (i % 1500 == 700) b.number(CommandType::kGeneration, 21 + static_cast<std::uint64_t>(i));
    if (i % 2000 == 900) now += 700'000;  // a pause
    step();
    if (i % 2500 == 1200) {
      std::vector<char> out(256 * 1024);
      const AllocationGuard guard;
      CHECK(a.engine.write_snapshot(out, now) > 0);
      CHECK(guard.count() == 0);
    }
  }
  CHECK(allocated == 0);
  // All of it did happen.
  CHECK(b.of(RecordType::kMessage) > 1000);
  CHECK(a.of(RecordType::kPeerRestarted) == 4);
  CHECK(a.of(RecordType::kStall) >= 3);
  CHECK(b.count(Counter::kDuplicates) > 100);
  CHECK(b.of(RecordType::kLinkUp) >= 3);
}

TEST_CASE_FIXTURE(Conversation, "rejected packets and a death take nothing from the heap" *
                                    doctest::skip(!kAllocationsCounted)) {
  configure(b, 2, "another");
  step();
  allocated = 0;
  for (int i = 0; i < 1000; ++i) step();
  CHECK(allocated == 0);
  CHECK(a.of(RecordType::kAuthRejected) > 0);
  CHECK(a.of(RecordType::kPeerDead) == 1);
}

}  // namespace twinbeat::test
