// A node that stands for a moment: who is asked to wait waits, for as long as it said and never for ever, and who goes on
// after longer than the others may have waited asks before it lets go.
#include <doctest/doctest.h>

#include <array>

#include "core/peer/prng.h"
#include "core/wire/hb_text.h"
#include "engine_world.h"

namespace twinbeat::test {

namespace {

constexpr Micros kMilli = kMicrosPerMilli;
constexpr Micros kSettled = 6 * kMicrosPerSecond;

struct FastPair : World {
  std::vector<LinkSpec> links{link("eth0"), link("eth1")};
  WorldNode* a = nullptr;
  WorldNode* b = nullptr;
  std::uint64_t generation_of_a = 100;

  void meet() {
    timing = {.keepalive = 2 * kMilli, .deadtime = 10 * kMilli, .warntime = 6 * kMilli, .initdead = kMicrosPerSecond,
              .deadping = 500 * kMilli, .rexmit_delay = 250 * kMilli};
    a = &add("a", links, 100);
    b = &add("b", links, 200);
    run(kSettled);
    REQUIRE(b->of(RecordType::kPeerUp).size() == 1);
    REQUIRE(b->of(RecordType::kPeerDead).empty());
    traffic.clear();
  }

  // One message with that content, from one link's wire.
  std::vector<std::uint8_t> signed_words(std::string_view from, std::string_view type, std::uint64_t generation,
                                         const std::vector<std::pair<std::string_view, std::uint64_t>>& numbers) {
    Keyring keyring;
    REQUIRE(keyring.set(1, AuthMethod::kSha1, as_bytes(key)) == Status::kOk);
    REQUIRE(keyring.set_signing(1) == Status::kOk);
    std::array<std::uint8_t, 2048> arena;
    std::array<std::uint8_t, 2048> bytes;
    Message message(arena);
    REQUIRE(message.add_text("t", type) == Status::kOk);
    for (const auto& [name, value] : numbers) REQUIRE(message.add_hex(name, value) == Status::kOk);
    REQUIRE(message.add_text("src", from) == Status::kOk);
    REQUIRE(message.add("srcuuid", FieldType::kBinary, uuid_of(std::string(from))) == Status::kOk);
    REQUIRE(message.add_hex("hg", generation) == Status::kOk);
    REQUIRE(message.add_hex("ts", 1) == Status::kOk);
    REQUIRE(message.add_decimal("ttl", 3) == Status::kOk);
    const Encoded encoded = encode_netstring(message, keyring, InnerAuth::kAdd, bytes);
    REQUIRE(encoded.status == Status::kOk);
    return {encoded.bytes.begin(), encoded.bytes.end()};
  }

  // As a watcher of a says it.
  void ask_for_a(Micros stamp) {
    const auto words = signed_words("a", kStandType, generation_of_a, {{kStandStamp, static_cast<std::uint64_t>(stamp)}});
    b->hub.inject("eth0", words, now);
    b->hub.inject("eth1", words, now);
  }

  void stands(Micros span, bool asks = true) {
    a->frozen = true;
    for (const Micros end = now + span; now < end;) {
      run(std::min<Micros>(end - now, 2500));
      if (asks && now < end) ask_for_a(now);
    }
  }

  [[nodiscard]] std::size_t answers() const {
    std::size_t count = 0;
    for (const auto& [wire, packet] : traffic) count += wire.from == "b" && contains(packet, kWaitType) ? 1 : 0;
    return count;
  }
  [[nodiscard]] std::vector<int> stalls(const WorldNode& node) const {
    std::vector<int> flags;
    for (const SeenRecord& record : node.of(RecordType::kStall)) flags.push_back(record.flags);
    return flags;
  }
  [[nodiscard]] bool muted(const WorldNode& node) const {
    const auto all = stalls(node);
    return !all.empty() && (all.back() & kFlagMuted) != 0;
  }
  [[nodiscard]] bool said_since(std::size_t from, const WorldNode& node, std::string_view text) const {
    for (std::size_t i = from; i < traffic.size(); ++i) {
      if (traffic[i].first.from == node.name && contains(traffic[i].second, text)) return true;
    }
    return false;
  }
};

}  // namespace

TEST_CASE_FIXTURE(FastPair, "a node that stands is dead after its dead time when nobody asks for it") {
  meet();
  stands(15 * kMilli, false);
  REQUIRE(b->of(RecordType::kPeerDead).size() == 1);
  CHECK(b->of(RecordType::kPeerDead)[0].value_us == timing.deadtime);
}

TEST_CASE_FIXTURE(FastPair, "as long as somebody asks for it it is late, and not dead") {
  meet();
  stands(100 * kMilli);
  CHECK(b->of(RecordType::kPeerDead).empty());
  CHECK(b->of(RecordType::kLinkDown).empty());
  CHECK(b->count(Counter::kStandsHeard) == 39);
  CHECK(answers() == 2 * 39);
  SUBCASE("and dead one dead time after the last word") {
    const Micros last = now - 2500;
    run(20 * kMilli);
    REQUIRE(b->of(RecordType::kPeerDead).size() == 1);
    CHECK(b->of(RecordType::kPeerDead)[0].at == last + timing.deadtime);
  }
  SUBCASE("when it goes on it knows that it was waited for, and says its next heartbeat at once") {
    const std::size_t from = traffic.size();
    a->frozen = false;
    run(3 * kMilli);
    REQUIRE(stalls(*a) == std::vector<int>{kFlagAsking, 0});
    CHECK(a->of(RecordType::kStall)[1].at <= a->of(RecordType::kStall)[0].at + kMilli);
    CHECK(a->of(RecordType::kStall)[1].value_us > 95 * kMilli);
    CHECK(said_since(from, *a, "status"));
    run(kMicrosPerSecond);
    CHECK(b->of(RecordType::kPeerDead).empty());
    CHECK(b->of(RecordType::kPeerRestarted).empty());
    CHECK(a->of(RecordType::kPeerDead).empty());
  }
}

TEST_CASE_FIXTURE(FastPair, "nobody waits for longer than for a node whose processor is broken") {
  meet();
  stands(kStandMost + 30 * kMilli);
  REQUIRE(b->of(RecordType::kPeerDead).size() == 1);
  CHECK(b->of(RecordType::kPeerDead)[0].value_us == kStandMost);
  const std::size_t before = answers();
  stands(20 * kMilli);
  CHECK(answers() == before);
  CHECK(b->of(RecordType::kPeerDead).size() == 1);
}

TEST_CASE_FIXTURE(FastPair, "what was said before, by another life, of no known form or with another key counts for nothing") {
  meet();
  a->frozen = true;
  Micros stamp = now;
  const auto say = [&](int times) {
    for (int i = 0; i < times; ++i) {
      run(2 * kMilli);
      ask_for_a(stamp);
    }
  };
  SUBCASE("a stamp counts once") {
    ask_for_a(stamp);
    run(1);
    CHECK(b->count(Counter::kStandsHeard) == 1);
    say(10);
    CHECK(b->count(Counter::kStandsHeard) == 1);
  }
  SUBCASE("another life") {
    generation_of_a = 99;
    say(10);
    CHECK(b->count(Counter::kStandsHeard) == 0);
  }
  SUBCASE("another key") {
    key = "other";
    say(10);
    CHECK(b->count(Counter::kStandsHeard) == 0);
  }
  SUBCASE("a stamp that is none") {
    stamp = -1;
    say(10);
    CHECK(b->count(Counter::kStandsHeard) == 0);
    CHECK_FALSE(b->of(RecordType::kAuthRejected).empty());
  }
  CHECK(b->of(RecordType::kPeerDead).size() == 1);
}

TEST_CASE_FIXTURE(FastPair, "where a slow line makes the dead time longer than any wait, the wait changes nothing") {
  links.push_back(link("ttyS1", LinkType::kSerial, 9600));
  meet();
  const Micros slow = link_dead_time(links[2], timing);
  REQUIRE(slow > kStandMost);
  stands(30 * kMilli);
  CHECK(answers() > 0);
  run(2 * slow);
  REQUIRE(b->of(RecordType::kPeerDead).size() == 1);
  CHECK(b->of(RecordType::kPeerDead)[0].value_us <= slow + 2 * timing.keepalive);
}

TEST_CASE_FIXTURE(FastPair, "two nodes that stood together, as on one host, ask each other and go on") {
  meet();
  a->frozen = b->frozen = true;
  run(100 * kMilli);
  a->frozen = b->frozen = false;
  a->send({{"t", "kept"}, {"text", "meanwhile"}});
  run(kMicrosPerSecond);
  for (const WorldNode* node : {a, b}) {
    CHECK(node->of(RecordType::kPeerDead).empty());
    CHECK(node->of(RecordType::kPeerRestarted).empty());
    CHECK(stalls(*node) == std::vector<int>{kFlagAsking, 0});
  }
  // What the owner wanted to say waited for the answer, and was not lost.
  CHECK(b->of(RecordType::kMessage).size() == 1);
}

TEST_CASE_FIXTURE(FastPair, "who is held for dead is not answered: it is mute, and nothing but its question was heard") {
  meet();
  stands(100 * kMilli, false);
  REQUIRE(b->of(RecordType::kPeerDead).size() == 1);
  const std::size_t from = traffic.size();
  a->frozen = false;
  const Micros woke = now;
  run(50 * kMilli);
  REQUIRE(stalls(*a) == std::vector<int>{kFlagAsking, kFlagMuted});
  CHECK(a->of(RecordType::kStall)[1].at == woke + timing.deadtime / 4);
  CHECK(said_since(from, *a, kStandType));
  CHECK_FALSE(said_since(from, *a, "status"));
  CHECK(answers() == 0);
  CHECK(b->of(RecordType::kPeerReturned).empty());
}

TEST_CASE_FIXTURE(FastPair, "after longer than anybody waits nobody is asked") {
  meet();
  a->frozen = b->frozen = true;
  run(kStandMost + 10 * kMilli);
  a->frozen = b->frozen = false;
  run(kMilli / 2);
  CHECK(muted(*a));
  CHECK(muted(*b));
  CHECK_FALSE(said_since(0, *a, kStandType));
}

TEST_CASE_FIXTURE(FastPair, "an answer that comes too late, or whose wait is over, is none") {
  meet();
  lose = [](const Wire& wire, const ManualPacket& packet) { return wire.from == "b" && contains(packet, kWaitType); };
  stands(100 * kMilli);
  REQUIRE(b->of(RecordType::kPeerDead).empty());
  a->frozen = false;
  run(5 * kMilli);
  CHECK(muted(*a));
  lose = [](const Wire&, const ManualPacket&) { return false; };
  run(kMilli);
  CHECK(muted(*a));
}

TEST_CASE_FIXTURE(FastPair, "a wait that ends before the next heartbeat can be there is none") {
  meet();
  stands(100 * kMilli);
  // Nobody asks any more, and the question of the node itself is lost.
  lose = [](const Wire& wire, const ManualPacket& packet) { return wire.from == "a" && contains(packet, kStandType); };
  run(timing.deadtime - 2500 - 400);
  REQUIRE(b->of(RecordType::kPeerDead).empty());
  a->frozen = false;
  run(3 * kMilli);
  CHECK(muted(*a));
}

TEST_CASE_FIXTURE(FastPair, "an answer from before the pause says nothing of it") {
  meet();
  // Answered for long, as in the seconds in which a node that has started announces more than it needs.
  ask_for_a(now);
  run(kMilli);
  REQUIRE(answers() == 2);
  lose = [](const Wire& wire, const ManualPacket& packet) { return wire.from == "a" && contains(packet, kStandType); };
  a->frozen = true;
  run(9 * kMilli);
  a->frozen = false;
  timing.deadtime = 4 * kMilli;
  configure(*a, links, 2);
  run(2 * kMilli);
  a->frozen = true;
  run(25 * kMilli);
  a->frozen = false;
  run(3 * kMilli);
  CHECK(muted(*a));
}

TEST_CASE_FIXTURE(FastPair, "the question is asked twice: one packet may be lost") {
  meet();
  int left = 2;  // on two links
  lose = [&left](const Wire& wire, const ManualPacket& packet) {
    return wire.from == "a" && contains(packet, kStandType) && left-- > 0;
  };
  a->frozen = b->frozen = true;
  run(60 * kMilli);
  // The way there and back takes longer than half of a shorter question.
  a->frozen = b->frozen = false;
  run(20 * kMilli);
  CHECK(a->count(Counter::kStands) == 2);
}

TEST_CASE_FIXTURE(FastPair, "what the owner is told while it is asked is not muted yet") {
  meet();
  a->frozen = b->frozen = true;
  run(60 * kMilli);
  a->frozen = false;
  run(1);
  REQUIRE(a->engine.asking());
  std::string text(64 * 1024, ' ');
  text.resize(a->engine.write_snapshot({text.data(), text.size()}, now));
  CHECK(text.find("\"muted\":false") != std::string::npos);
}

TEST_CASE_FIXTURE(FastPair, "no stamp, span or life, however odd, makes a wait longer, or a word of one that was not given") {
  meet();
  Prng prng(11);
  const auto odd = [&prng](Micros near) -> std::uint64_t {
    switch (prng.below(6)) {
      case 0: return 0;
      case 1: return UINT64_MAX;
      case 2: return static_cast<std::uint64_t>(INT64_MAX) - prng.below(3);
      case 3: return prng.below(UINT32_MAX);
      default: return static_cast<std::uint64_t>(near + prng.below(20'000)) - 10'000;
    }
  };
  for (int round = 0; round < 40; ++round) {
    CAPTURE(round);
    const Micros from = now;
    a->frozen = true;
    while (now < from + kStandMost + 40 * kMilli) {
      // From one key, of any content: stands to b that a may have said, and waits to a that b may have said.
      const bool stand = prng.below(2) == 0;
      WorldNode& to = stand ? *b : *a;
      to.hub.inject("eth0", signed_words(stand ? "a" : "b", stand ? kStandType : kWaitType, stand ? generation_of_a : 200,
                                         {{"tb_stamp", odd(now)}, {"tb_gen", 99}, {"tb_wait", odd(10'000)}}), now);
      run(1 + static_cast<Micros>(prng.below(3'000)));
    }
    REQUIRE(b->of(RecordType::kPeerDead).size() == static_cast<std::size_t>(round) + 1);
    CHECK(b->of(RecordType::kPeerDead).back().value_us <= kStandMost);
    a->frozen = false;
    run(10 * kMilli);
    REQUIRE(muted(*a));
    // Another life of it, which begins where a real one does.
    generation_of_a = 1000 + static_cast<std::uint64_t>(round);
    a->number_command(CommandType::kGeneration, generation_of_a);
    run(kSettled);
  }
}

TEST_CASE_FIXTURE(FastPair, "no answer counts that is of another life, about another pause or longer than anybody waits") {
  meet();
  const Micros before = now;
  stands(60 * kMilli, false);
  REQUIRE(b->of(RecordType::kPeerDead).size() == 1);
  const auto answer = [&](std::uint64_t life, Micros stamp, Micros span) {
    a->hub.inject("eth0", signed_words("b", kWaitType, 200, {{"tb_stamp", static_cast<std::uint64_t>(stamp)},
                                                             {"tb_gen", life},
                                                             {"tb_wait", static_cast<std::uint64_t>(span)}}), now);
  };
  a->frozen = false;
  bool counts = false;
  SUBCASE("another life") { answer(99, now - 1, 200 * kMilli); }
  SUBCASE("another pause") { answer(100, before - 1, 200 * kMilli); }
  SUBCASE("a moment that has not come") { answer(100, now + kMilli, 200 * kMilli); }
  SUBCASE("longer than anybody waits") { answer(100, now - 1, kStandMost + 1); }
  SUBCASE("over before the next heartbeat") { answer(100, now - 1, timing.keepalive); }
  SUBCASE("and the right one does") {
    answer(100, now - 1, 200 * kMilli);
    counts = true;
  }
  run(4 * kMilli);
  CHECK(muted(*a) != counts);
}

TEST_CASE_FIXTURE(FastPair, "a second pause within the question ends it") {
  meet();
  a->frozen = b->frozen = true;
  run(100 * kMilli);
  a->frozen = false;
  run(kMilli);
  CHECK(stalls(*a) == std::vector<int>{kFlagAsking});
  a->frozen = true;
  run(30 * kMilli);
  a->frozen = false;
  run(kMilli);
  CHECK(stalls(*a) == std::vector<int>{kFlagAsking, kFlagMuted});
}

}  // namespace twinbeat::test
