// Life and death on a manual clock.
#include <doctest/doctest.h>

#include "engine_world.h"

namespace twinbeat::test {

namespace {

constexpr Micros kSecond = kMicrosPerSecond;
// After this the announced dead time is the configured one again.
constexpr Micros kSettled = 6 * kSecond;

struct TwoNodes : World {
  std::vector<LinkSpec> links{link("eth0"), link("eth1")};
  WorldNode* a = nullptr;
  WorldNode* b = nullptr;

  void meet() {
    a = &add("a", links, 100);
    b = &add("b", links, 200);
    run(kSettled);
    REQUIRE(a->of(RecordType::kPeerUp).size() == 1);
    REQUIRE(b->of(RecordType::kPeerUp).size() == 1);
  }
  void cut(const std::string& which = "") {
    lose = [which](const Wire& wire, const ManualPacket&) { return which.empty() || wire.link == which; };
  }
  void heal() {
    lose = [](const Wire&, const ManualPacket&) { return false; };
  }
};

}  // namespace

TEST_CASE_FIXTURE(TwoNodes, "a silent peer is late after warntime and dead after its dead time, to the microsecond") {
  meet();
  b->frozen = true;
  run(2 * kSecond);
  REQUIRE(a->of(RecordType::kPeerLate).size() == 1);
  REQUIRE(a->of(RecordType::kPeerDead).size() == 1);
  CHECK(a->of(RecordType::kPeerLate)[0].value_us == timing.warntime);
  const SeenRecord dead = a->of(RecordType::kPeerDead)[0];
  CHECK(dead.value_us == timing.deadtime);
  CHECK(dead.generation == 200);
  CHECK(dead.body.size() == 2 * (1 + 4 + 8));
}

TEST_CASE("a gap falls into the class whose shortest it is not below") {
  GapHistogram gaps;
  for (std::size_t i = 1; i < GapHistogram::kClasses; ++i) {
    gaps.add(GapHistogram::least_of(i));
    gaps.add(GapHistogram::least_of(i) - 1);
  }
  gaps.add(INT64_MAX / 4);
  // The shortest of a class is one, the longest of it is that before the next; the last one has no end.
  CHECK(gaps.counts()[0] == 1);
  for (std::size_t i = 1; i < GapHistogram::kClasses; ++i) CHECK(gaps.counts()[i] == 2);
  CHECK(gaps.max() == INT64_MAX / 4);
}

TEST_CASE_FIXTURE(TwoNodes, "gaps are counted for each link and for the peer, but not over its death") {
  meet();
  const auto snapshot = [this] {
    std::string text(64 * 1024, ' ');
    text.resize(a->engine.write_snapshot({text.data(), text.size()}, now));
    return text;
  };
  // 100 ms between heartbeats: the class from 98304 us.
  CHECK(snapshot().find("\"gaps\":{\"maxUs\":100000,\"classes\":[") != std::string::npos);
  cut("eth0");
  run(300'000);
  heal();
  run(200'000);
  const std::string one_lost = snapshot();
  CHECK(one_lost.find("\"name\":\"eth0\"") != std::string::npos);
  CHECK(one_lost.find("\"gaps\":{\"maxUs\":400000") != std::string::npos);
  cut();
  run(2 * kSecond);
  heal();
  run(kSecond);
  REQUIRE(a->of(RecordType::kPeerReturned).size() == 1);
  CHECK(snapshot().find("\"gaps\":{\"maxUs\":400000") != std::string::npos);
}

TEST_CASE_FIXTURE(TwoNodes, "the loss of one of two links changes link states only") {
  meet();
  cut("eth0");
  run(3 * kSecond);
  CHECK(a->of(RecordType::kPeerDead).empty());
  CHECK(a->of(RecordType::kPeerLate).empty());
  REQUIRE(a->of(RecordType::kLinkDown).size() == 1);
  CHECK(a->of(RecordType::kLinkDown)[0].link == "eth0");
  heal();
  run(kSecond);
  CHECK(a->of(RecordType::kLinkUp).back().link == "eth0");
}

TEST_CASE_FIXTURE(TwoNodes, "a healed partition is a return of the same generation, seen by both") {
  meet();
  cut();
  run(2 * kSecond);
  CHECK(a->of(RecordType::kPeerDead).size() == 1);
  heal();
  run(kSecond);
  for (const WorldNode* node : {a, b}) {
    REQUIRE(node->of(RecordType::kPeerReturned).size() == 1);
    CHECK(node->of(RecordType::kPeerRestarted).empty());
  }
  CHECK(a->of(RecordType::kPeerReturned)[0].generation == 200);
}

TEST_CASE_FIXTURE(TwoNodes, "a higher generation is a restart, and the old one is refused from then on") {
  meet();
  const std::vector<std::pair<Wire, ManualPacket>> before = traffic;
  b->number_command(CommandType::kGeneration, 201);
  run(kSecond);
  REQUIRE(a->of(RecordType::kPeerRestarted).size() == 1);
  CHECK(a->of(RecordType::kPeerRestarted)[0].generation == 201);
  b->frozen = true;
  for (const auto& [wire, packet] : before) {
    if (wire.from == "b") a->hub.inject(wire.link, packet.bytes, now);
  }
  run(4 * kSecond);  // a node that just started has announced two seconds more
  CHECK(a->of(RecordType::kPeerDead).size() == 1);
  CHECK(a->of(RecordType::kPeerRestarted).size() == 1);
}

TEST_CASE_FIXTURE(TwoNodes, "recorded traffic of this generation keeps nobody alive") {
  meet();
  b->frozen = true;
  const std::vector<std::pair<Wire, ManualPacket>> recorded = traffic;
  run(200'000);
  for (int round = 0; round < 20; ++round) {
    for (const auto& [wire, packet] : recorded) {
      if (wire.from == "b") a->hub.inject(wire.link, packet.bytes, now);
    }
    run(50'000);
  }
  CHECK(a->of(RecordType::kPeerDead).size() == 1);
  CHECK(a->of(RecordType::kPeerReturned).empty());
}

TEST_CASE_FIXTURE(TwoNodes, "our own pause is not the peer's silence") {
  meet();
  const Micros pause = timing.deadtime - 50'000;
  b->frozen = true;
  a->frozen = true;
  run(pause);
  a->frozen = false;
  run(timing.deadtime - 100'000 - 20'000);
  CHECK(a->of(RecordType::kPeerDead).empty());
  REQUIRE(a->of(RecordType::kStall).size() == 1);
  CHECK((a->of(RecordType::kStall)[0].flags & kFlagMuted) == 0);
  run(timing.deadtime);
  CHECK(a->of(RecordType::kPeerDead).size() == 1);
}

TEST_CASE_FIXTURE(TwoNodes, "who slept over many dead times and finds heartbeats in his socket declares nobody dead") {
  timing = {.keepalive = 1000, .deadtime = 5000, .warntime = 4000, .initdead = 5'000'000, .deadping = 5000, .rexmit_delay = 250'000};
  meet();
  a->frozen = true;
  run(20'000);
  a->frozen = false;
  // One cycle, and nothing that said that something can be read: whoever judges looks for himself.
  a->engine.do_work({now, 1'700'000'000'000'000 + now, 0});
  a->drain();
  CHECK(a->of(RecordType::kPeerDead).empty());
  run(1000);
  CHECK(a->of(RecordType::kPeerDead).empty());
  REQUIRE(a->of(RecordType::kStall).empty());  // no news on a busy machine
}

TEST_CASE_FIXTURE(TwoNodes, "who was late himself judges only the silence beyond that") {
  timing = {.keepalive = 1000, .deadtime = 5000, .warntime = 4000, .initdead = 5'000'000, .deadping = 5000, .rexmit_delay = 250'000};
  meet();
  // The last word of b is here, and what a's next cycle is planned for as well.
  b->frozen = true;
  const Micros planned = a->engine.next_deadline();
  const Micros late = 3700;
  now = planned + late;
  a->engine.do_work({now, 1'700'000'000'000'000 + now});
  a->drain();
  // From its last heartbeat on no more than a millisecond had passed before that cycle should have been.
  run(5000 - late);
  CHECK(a->of(RecordType::kPeerDead).empty());
  run(2 * timing.deadtime);
  const auto dead = a->of(RecordType::kPeerDead);
  REQUIRE(dead.size() == 1);
  // The last word of b was still on its way: it came within a millisecond, and while a did not run.
  CHECK(dead[0].value_us > timing.deadtime + late - timing.keepalive);
  CHECK(dead[0].value_us <= timing.deadtime + late + timing.keepalive);
}

TEST_CASE_FIXTURE(TwoNodes, "a copy of what was signed with yesterday's key is worth nothing") {
  meet();
  b->frozen = true;
  const auto recorded = traffic;
  const auto rejected = a->of(RecordType::kAuthRejected).size();
  key = "another";
  configure(*a, links, 2);
  run(1000);
  for (const auto& [wire, packet] : recorded) {
    if (wire.from == "b") a->hub.inject(wire.link, packet.bytes, now);
  }
  run(1000);
  CHECK(a->of(RecordType::kAuthRejected).size() > rejected);
}

TEST_CASE_FIXTURE(TwoNodes, "after a pause beyond its announced dead time it is silent until a new generation") {
  meet();
  a->frozen = true;
  run(3 * kSecond);
  CHECK(b->of(RecordType::kPeerDead).size() == 1);
  a->frozen = false;
  run(2 * kSecond);
  REQUIRE(a->of(RecordType::kStall).size() == 1);
  CHECK((a->of(RecordType::kStall)[0].flags & kFlagMuted) != 0);
  CHECK(b->of(RecordType::kPeerReturned).empty());
  CHECK(a->of(RecordType::kPeerDead).empty());  // b beat all the time: what lay in the buffers is evidence of life
  a->number_command(CommandType::kGeneration, 101);
  run(kSecond);
  CHECK(b->of(RecordType::kPeerReturned).empty());
  CHECK(b->of(RecordType::kPeerRestarted).size() == 1);
}

TEST_CASE_FIXTURE(TwoNodes, "a peer that was never heard is dead after initdead, and up when it comes") {
  a = &add("a", links, 100);
  run(timing.initdead - kSecond);
  CHECK(a->of(RecordType::kPeerDead).empty());
  run(2 * kSecond);
  REQUIRE(a->of(RecordType::kPeerDead).size() == 1);
  CHECK(a->of(RecordType::kPeerDead)[0].generation == 0);
  b = &add("b", links, 200);
  run(kSecond);
  CHECK(a->of(RecordType::kPeerUp).size() == 1);
  CHECK(a->of(RecordType::kPeerReturned).empty());
}

TEST_CASE_FIXTURE(TwoNodes, "an announced longer dead time is waited for") {
  meet();
  b->number_command(CommandType::kStatus, 3 * kSecond, "active");
  run(200'000);
  b->frozen = true;
  run(3 * kSecond);
  CHECK(a->of(RecordType::kPeerDead).empty());
  run(kSecond);
  CHECK(a->of(RecordType::kPeerDead).size() == 1);
}

TEST_CASE_FIXTURE(TwoNodes, "a slow line keeps its peer alive by its own dead time when Ethernet is lost") {
  // 9600 baud: 312 ms for one status, so 625 ms between two and 2.2 s until the line counts as silent.
  links = {link("eth0"), link("ttyS0", LinkType::kSerial, 9600)};
  meet();
  const Micros slow_dead = link_dead_time(links[1], timing);
  cut("eth0");
  run(10 * kSecond);
  CHECK(a->of(RecordType::kPeerDead).empty());
  CHECK(b->of(RecordType::kPeerDead).empty());
  std::size_t frames = 0;
  traffic.clear();
  run(10 * kSecond);
  for (const auto& [wire, packet] : traffic) frames += wire.from == "b" && contains(packet, "t=status") ? 1 : 0;
  CHECK(frames <= 17);
  CHECK(frames >= 15);
  cut();
  const Micros cut_at = now;
  run(2 * slow_dead);
  REQUIRE(a->of(RecordType::kPeerDead).size() == 1);
  CHECK(a->of(RecordType::kPeerDead)[0].at - cut_at <= slow_dead + kMicrosPerMilli);
}

TEST_CASE_FIXTURE(TwoNodes, "a link whose interface is down is reported once and used again when it is back") {
  meet();
  a->hub.break_link("eth0", ENETDOWN);
  run(5 * kSecond);
  a->hub.break_link("eth0", 0);
  run(3 * kSecond);
  const auto states = a->of(RecordType::kLinkState);
  REQUIRE(states.size() == 4);
  CHECK((states[2].flags & kFlagOpen) == 0);
  CHECK(states[2].number == ENETDOWN);
  CHECK((states[3].flags & kFlagOpen) != 0);
  CHECK(b->of(RecordType::kPeerDead).empty());
}

TEST_CASE("a pause while the peer asked for patience does not lengthen its dead time for good") {
  World world;
  WorldNode& a = world.add("a", {World::link("eth1")}, 100);
  WorldNode& b = world.add("b", {World::link("eth1")}, 200);
  // b still announces two seconds more than its dead time; a stands still for a moment.
  world.run(4'800'000);
  a.frozen = true;
  world.run(150'000);
  a.frozen = false;
  world.run(400'000);
  const Micros cut = world.now;
  b.frozen = true;
  world.run(700'000);
  const auto dead = a.of(RecordType::kPeerDead);
  REQUIRE(dead.size() == 1);
  CHECK(dead[0].at - cut <= world.timing.deadtime + 10'000);
}

}  // namespace twinbeat::test
