// Messages, acknowledgements and retransmission on a manual clock.
#include <doctest/doctest.h>

#include "engine_world.h"

namespace twinbeat::test {

namespace {

constexpr Micros kSecond = kMicrosPerSecond;

struct Talk : World {
  std::vector<LinkSpec> links{link("eth0")};
  WorldNode* a = nullptr;
  WorldNode* b = nullptr;

  Talk() {
    a = &add("a", links, 100);
    b = &add("b", links, 200);
    run(6 * kSecond);
    traffic.clear();
  }
  [[nodiscard]] std::size_t seen(std::string_view from, std::string_view text) const {
    std::size_t found = 0;
    for (const auto& [wire, packet] : traffic) found += wire.from == from && contains(packet, text) ? 1 : 0;
    return found;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Talk, "a lost message is asked for once per delay, in decimal, and comes unchanged") {
  bool lost = false;
  lose = [&](const Wire&, const ManualPacket& packet) {
    if (lost || !contains(packet, "t=note")) return false;
    return lost = true;
  };
  a->send({{"t", "note"}, {"info", "hello"}});
  run(2 * kSecond);
  REQUIRE(lost);
  REQUIRE(b->of(RecordType::kMessage).size() == 1);
  CHECK(seen("b", "t=NS_rexmit") == 1);
  CHECK(b->count(Counter::kRexmitRequested) == 1);
  CHECK(a->count(Counter::kRexmitAnswered) == 1);
}

TEST_CASE_FIXTURE(Talk, "a request that goes unanswered is repeated at the configured delay and no faster") {
  bool dark = true;
  lose = [&](const Wire&, const ManualPacket& packet) { return dark && contains(packet, "t=note"); };
  a->send({{"t", "note"}});
  run(300'000);
  const std::uint64_t first = b->count(Counter::kRexmitRequested);
  run(10 * timing.rexmit_delay);
  CHECK(b->count(Counter::kRexmitRequested) - first == 10);
  dark = false;
  run(kSecond);
  CHECK(b->of(RecordType::kMessage).size() == 1);
  const std::uint64_t after = b->count(Counter::kRexmitRequested);
  run(3 * kSecond);
  CHECK(b->count(Counter::kRexmitRequested) == after);
}

TEST_CASE_FIXTURE(Talk, "what the sender no longer has is refused, and the refusal ends the asking") {
  lose = [&](const Wire& wire, const ManualPacket& packet) {
    return contains(packet, "info=lost") || (wire.from == "b" && contains(packet, "t=NS_rexmit"));
  };
  a->send({{"t", "note"}, {"info", "lost"}});
  run(50'000);
  for (int i = 0; i < 40; ++i) {
    a->send({{"t", "note"}, {"info", std::string(30'000, 'x')}});
    run(2000);
  }
  run(kSecond);
  lose = [](const Wire&, const ManualPacket&) { return false; };
  run(2 * kSecond);
  CHECK(a->count(Counter::kNakSent) >= 1);
  CHECK(b->count(Counter::kNakReceived) >= 1);
  const std::uint64_t asked = b->count(Counter::kRexmitRequested);
  run(3 * kSecond);
  CHECK(b->count(Counter::kRexmitRequested) == asked);
}

TEST_CASE_FIXTURE(Talk, "a restart in the middle of a gap does not leave an endless loop of requests") {
  lose = [&](const Wire& wire, const ManualPacket& packet) { return wire.from == "a" && contains(packet, "t=note"); };
  for (int i = 0; i < 5; ++i) a->send({{"t", "note"}});
  run(400'000);
  CHECK(b->count(Counter::kRexmitRequested) > 0);
  a->number_command(CommandType::kGeneration, 101);
  lose = [](const Wire&, const ManualPacket&) { return false; };
  run(kSecond);
  const std::uint64_t asked = b->count(Counter::kRexmitRequested);
  run(5 * kSecond);
  CHECK(b->count(Counter::kRexmitRequested) == asked);
  CHECK(b->of(RecordType::kPeerRestarted).size() == 1);
}

TEST_CASE_FIXTURE(Talk, "one message in ten is acknowledged, at the same place of each ten") {
  for (int i = 0; i < 100; ++i) a->send({{"t", "note"}});
  run(100'000);
  const std::size_t acks = seen("b", "t=NS_ackmsg");
  CHECK(acks >= 9);
  CHECK(acks <= 11);
}

TEST_CASE_FIXTURE(Talk, "a history that nobody acknowledges is reported once, and heartbeats keep flowing") {
  lose = [&](const Wire&, const ManualPacket& packet) { return contains(packet, "t=NS_ackmsg"); };
  for (int i = 0; i < 600; ++i) {
    a->send({{"t", "note"}});
    if (i % 50 == 0) run(1000);
  }
  run(kSecond);
  CHECK(a->of(RecordType::kHistoryFull).size() == 1);
  CHECK(b->of(RecordType::kPeerDead).empty());
  CHECK(b->of(RecordType::kPeerLate).empty());
  CHECK(b->of(RecordType::kMessage).size() == 600);
}

TEST_CASE_FIXTURE(Talk, "with a third of everything lost all messages come, each once, and nobody dies") {
  timing.deadtime = 2 * kSecond;
  for (WorldNode* node : {a, b}) configure(*node, links, 2);
  Prng prng(4711);
  lose = [&](const Wire&, const ManualPacket&) { return prng.below(3) == 0; };
  for (int round = 0; round < 200; ++round) {
    a->send({{"t", "note"}, {"info", std::to_string(round)}});
    b->send({{"t", "note"}, {"info", std::to_string(round)}});
    run(100'000);
  }
  lose = [](const Wire&, const ManualPacket&) { return false; };
  run(5 * kSecond);
  for (const WorldNode* node : {a, b}) {
    CHECK(node->of(RecordType::kMessage).size() == 200);
    CHECK(node->of(RecordType::kPeerDead).empty());
  }
}

TEST_CASE_FIXTURE(Talk, "damaged and foreign bytes are counted by reason and change nothing") {
  Prng prng(1);
  const std::vector<std::pair<Wire, ManualPacket>> recorded = [&] {
    run(2 * kSecond);
    return traffic;
  }();
  for (const auto& [wire, packet] : recorded) {
    if (wire.from != "b") continue;
    std::vector<std::uint8_t> bytes = packet.bytes;
    bytes[prng.below(bytes.size())] ^= static_cast<std::uint8_t>(1 + prng.below(255));
    a->hub.inject(wire.link, bytes, now);
    a->hub.inject(wire.link, {bytes.data(), prng.below(bytes.size())}, now);
  }
  run(kSecond);
  CHECK_FALSE(a->of(RecordType::kAuthRejected).empty());
  CHECK(a->of(RecordType::kMessage).empty());
  CHECK(a->of(RecordType::kPeerUp).size() == 1);
  CHECK(a->of(RecordType::kPeerRestarted).empty());
}

}  // namespace twinbeat::test
