// Letting go: when an ownership ends, when JavaScript stands still, and what is said to the other node.
#include <doctest/doctest.h>

#include <cerrno>

#include "takeover_world.h"

namespace twinbeat::test {

namespace {

// A release: removals, then a look whether they are true.
void let_go(Taker& taker) {
  REQUIRE(taker.waiting() == 1);
  const net::StepBatch& batch = taker.batch();
  REQUIRE(batch.count % 2 == 0);
  for (std::uint32_t i = 0; i < batch.count; ++i) {
    CHECK(batch.steps[i].op == (i < batch.count / 2 ? net::StepOp::kRemove : net::StepOp::kQuery));
  }
  taker.finish();
  CHECK(taker.waiting() == 0);
}

std::size_t gasps(const Taker& taker) { return taker.b.of(RecordType::kGasp).size(); }

// Nothing of a refresh stands in the way of what a test looks at.
void settle_refresh(Taker& taker) {
  while (taker.waiting() > 0 && (taker.batch().flags & net::kBatchRefresh) != 0) taker.finish();
}

}  // namespace

TEST_CASE("an ownership is refused when it is past, too far away or of a lower token") {
  Taker taker;
  const Micros now = taker.world.now;
  const auto renew = [&](std::uint64_t token, Micros deadline) {
    return taker.controller.renew_ownership(Taker::kSlot, token, deadline, now);
  };
  CHECK(renew(7, now + Taker::kSecond));
  CHECK_FALSE(renew(7, now));
  CHECK_FALSE(renew(7, now - 1));
  CHECK_FALSE(renew(6, now + Taker::kSecond));
  CHECK_FALSE(renew(8, now + 2 * 3600 * Taker::kSecond));
  CHECK(renew(8, now + 2 * Taker::kSecond));
  CHECK_FALSE(renew(7, now + 2 * Taker::kSecond));
}

TEST_CASE("at the deadline of its ownership a group is released, verified, and told once") {
  Taker taker;
  taker.board.stop_budget_us = 4 * Taker::kSecond;
  taker.hold(9);
  const Micros deadline = taker.world.now + 3 * Taker::kSecond;
  REQUIRE(taker.controller.renew_ownership(Taker::kSlot, 1, deadline, taker.world.now));
  taker.run(1000);
  CHECK(taker.words().owned.load() == 1);
  CHECK(taker.words().release_by_us.load() == deadline + 2 * Taker::kSecond);
  CHECK(taker.words().owned_until_us.load() == deadline + 4 * Taker::kSecond);
  REQUIRE(taker.waiting() == 1);
  CHECK(taker.batch().flags == net::kBatchRefresh);
  CHECK(taker.batch().steps[0].valid_lft_s == 3);
  taker.finish();
  const std::uint32_t stamp = taker.a.steps.group_stamp(Taker::kSlot);
  taker.run(deadline - taker.world.now - 1000);
  settle_refresh(taker);
  CHECK(taker.a.of(RecordType::kOwnershipExpired).empty());
  taker.run(2000);
  CHECK(taker.a.of(RecordType::kOwnershipExpired).size() == 1);
  CHECK(taker.a.of(RecordType::kOwnershipExpired)[0].at <= deadline + 1000);
  CHECK(taker.a.steps.group_stamp(Taker::kSlot) == stamp + 1);
  CHECK(taker.a.of(RecordType::kGroupReleased).empty());
  let_go(taker);
  const auto released = taker.a.of(RecordType::kGroupReleased);
  REQUIRE(released.size() == 1);
  CHECK((released[0].flags & kFlagOk) != 0);
  CHECK(released[0].previous == 9);
  CHECK(taker.words().held.load() == 0);
  CHECK(taker.words().release_by_us.load() == 0);
  CHECK(gasps(taker) == 0);
  // Services run until the controller says that they do not.
  CHECK(taker.words().owned_until_us.load() == deadline + 4 * Taker::kSecond);
  taker.hold(9, true, false);
  taker.run(1000);
  CHECK(taker.words().owned_until_us.load() == 0);
}

TEST_CASE("a release is repeated until it is true") {
  Taker taker;
  taker.hold(9);
  REQUIRE(taker.controller.renew_ownership(Taker::kSlot, 1, taker.world.now + 500'000, taker.world.now));
  taker.run(600'000);
  settle_refresh(taker);
  REQUIRE(taker.waiting() == 1);
  taker.finish(EBUSY);
  CHECK(taker.waiting() == 0);
  taker.run(60'000);
  REQUIRE(taker.waiting() == 1);
  taker.finish(0, 0);  // the look behind the removals still sees them
  CHECK(taker.a.of(RecordType::kGroupReleased).empty());
  CHECK(taker.words().held.load() == 1);
  taker.run(60'000);
  let_go(taker);
  CHECK(taker.a.of(RecordType::kGroupReleased).size() == 1);
}

TEST_CASE("a controller that is late is withheld, and forgiven when it comes back") {
  Taker taker;
  taker.limits(2 * Taker::kSecond, 10 * Taker::kSecond);
  taker.renews = false;
  taker.run(3 * Taker::kSecond);
  auto lapsed = taker.a.of(RecordType::kControllerLapsed);
  REQUIRE(lapsed.size() == 1);
  CHECK(lapsed[0].number == 0);
  CHECK(taker.controller.renew(taker.world.now));
  taker.run(1000);
  CHECK(taker.board.lease.fresh(taker.world.now));
  CHECK(taker.a.of(RecordType::kControllerLapsed).size() == 1);
}

TEST_CASE("nobody waits for the group: a controller that never comes back changes nothing") {
  Taker taker;
  taker.limits(2 * Taker::kSecond, 10 * Taker::kSecond);
  taker.hold(4, false);
  taker.renews = false;
  taker.run(60 * Taker::kSecond);
  CHECK(taker.a.of(RecordType::kControllerLapsed).size() == 1);
  CHECK(taker.controller.renew(taker.world.now));
  CHECK(taker.b.of(RecordType::kPeerDead).empty());
}

TEST_CASE("a lapsed controller's groups are released, the peer hears it, and then there is silence for good") {
  Taker taker;
  taker.limits(2 * Taker::kSecond, 10 * Taker::kSecond);
  taker.hold(4);
  taker.run(1000);
  settle_refresh(taker);
  taker.renews = false;
  while (taker.a.of(RecordType::kControllerLapsed).size() < 2) {
    taker.run(100'000);
    settle_refresh(taker);
  }
  CHECK(taker.a.of(RecordType::kControllerLapsed)[1].number == 1);
  CHECK_FALSE(taker.controller.renew(taker.world.now));
  CHECK_FALSE(taker.board.lease.fresh(taker.world.now));
  CHECK(gasps(taker) == 0);
  CHECK(taker.b.of(RecordType::kPeerDead).empty());
  let_go(taker);
  taker.run(10'000);
  REQUIRE(gasps(taker) > 0);
  const SeenRecord gasp = taker.b.of(RecordType::kGasp)[0];
  CHECK(gasp.node == "a");
  CHECK(gasp.generation == 100);
  CHECK(gasp.previous == 4);
  CHECK(gasp.text == "web");
  CHECK(gasp.extra == "digest");
  taker.run(5 * Taker::kSecond);
  CHECK(taker.b.of(RecordType::kPeerDead).size() == 1);
  // A higher generation does not raise it from the dead.
  taker.a.number_command(CommandType::kGeneration, 500);
  taker.run(Taker::kSecond);
  CHECK(taker.b.of(RecordType::kPeerRestarted).empty());
}

TEST_CASE("a controller that stands still while an ownership ends cannot tell it: silence does") {
  Taker taker;
  taker.limits(2 * Taker::kSecond, 10 * Taker::kSecond);
  taker.hold(9);
  REQUIRE(taker.controller.renew_ownership(Taker::kSlot, 1, taker.world.now + 3 * Taker::kSecond, taker.world.now));
  taker.run(1000);
  settle_refresh(taker);
  taker.renews = false;
  while (taker.a.of(RecordType::kOwnershipExpired).empty()) {
    taker.run(100'000);
    settle_refresh(taker);
  }
  let_go(taker);
  CHECK(taker.words().held.load() == 0);
  taker.run(5 * Taker::kSecond);
  CHECK(taker.b.of(RecordType::kPeerDead).empty());
  taker.run(20 * Taker::kSecond);
  CHECK(taker.a.of(RecordType::kControllerLapsed).back().number == 1);
  CHECK(taker.b.of(RecordType::kPeerDead).size() == 1);
  CHECK_FALSE(taker.controller.renew(taker.world.now));
}

TEST_CASE("a controller that heard of the end of its ownership may stand still again without a lapse") {
  Taker taker;
  taker.limits(2 * Taker::kSecond, 10 * Taker::kSecond);
  taker.hold(9);
  REQUIRE(taker.controller.renew_ownership(Taker::kSlot, 1, taker.world.now + 500'000, taker.world.now));
  taker.run(600'000);
  settle_refresh(taker);
  let_go(taker);
  taker.hold(9, true, false);
  taker.renews = false;
  taker.run(60 * Taker::kSecond);
  CHECK(taker.a.of(RecordType::kControllerLapsed).size() == 1);
  CHECK(taker.controller.renew(taker.world.now));
}

TEST_CASE("a service group is not released by a lapse, only silence follows") {
  Taker taker(false);
  taker.limits(2 * Taker::kSecond, 10 * Taker::kSecond);
  taker.hold(4);
  taker.renews = false;
  taker.run(30 * Taker::kSecond);
  settle_refresh(taker);
  CHECK(taker.a.of(RecordType::kGroupReleased).empty());
  // Its peer being ready is no reason by itself: nothing could be let go of natively.
  CHECK(taker.b.of(RecordType::kPeerDead).empty());
}

TEST_CASE("the words signed ahead are the last words: heard once dead, and no sign of life") {
  Taker taker;
  taker.hold(11);
  taker.run(1000);
  guard::Gasp& gasp = taker.words().gasp;
  REQUIRE(gasp.valid.load() == 1);
  CHECK(gasp.claim_epoch == 11);
  const std::vector<std::uint8_t> bytes(gasp.datagram, gasp.datagram + gasp.datagram_bytes);
  taker.a.frozen = true;
  taker.run(3 * Taker::kSecond);
  REQUIRE(taker.b.of(RecordType::kPeerDead).size() == 1);
  REQUIRE(taker.b.hub.inject("eth1", bytes, taker.world.now));
  taker.run(100'000);
  REQUIRE(gasps(taker) == 1);
  CHECK(taker.b.of(RecordType::kGasp)[0].previous == 11);
  CHECK(taker.b.of(RecordType::kPeerReturned).empty());
  CHECK(taker.b.of(RecordType::kLinkUp).size() == 1);
}

TEST_CASE("last words of another incarnation count for nothing") {
  Taker taker;
  taker.hold(11);
  taker.run(1000);
  const guard::Gasp& gasp = taker.words().gasp;
  const std::vector<std::uint8_t> bytes(gasp.datagram, gasp.datagram + gasp.datagram_bytes);
  taker.a.number_command(CommandType::kGeneration, 101);
  taker.run(Taker::kSecond);
  REQUIRE(taker.b.hub.inject("eth1", bytes, taker.world.now));
  taker.run(100'000);
  CHECK(gasps(taker) == 0);
  // And those of the new one were signed in time.
  const std::vector<std::uint8_t> fresh(gasp.datagram, gasp.datagram + gasp.datagram_bytes);
  CHECK(fresh != bytes);
  REQUIRE(taker.b.hub.inject("eth1", fresh, taker.world.now));
  taker.run(100'000);
  CHECK(gasps(taker) == 1);
}

TEST_CASE("last words are signed anew with the claim and with the key, and taken back with the holding") {
  Taker taker;
  taker.hold(11);
  taker.run(1000);
  guard::Gasp& gasp = taker.words().gasp;
  const std::vector<std::uint8_t> first(gasp.datagram, gasp.datagram + gasp.datagram_bytes);
  taker.hold(12);
  taker.run(1000);
  CHECK(gasp.valid.load() == 1);
  CHECK(gasp.claim_epoch == 12);
  taker.world.key = "another";
  taker.world.configure(taker.a, {World::link("eth1")}, 2);
  taker.run(1000);
  const std::vector<std::uint8_t> again(gasp.datagram, gasp.datagram + gasp.datagram_bytes);
  CHECK(gasp.valid.load() == 1);
  CHECK(again != first);
  taker.hold(12, true, false);
  taker.run(1000);
  CHECK(gasp.valid.load() == 0);
}

TEST_CASE("addresses live on by a refresh while there is a peer, and for ever while there is none") {
  Taker taker;
  taker.hold(1);
  taker.run(1000);
  REQUIRE(taker.waiting() == 1);
  CHECK(taker.batch().steps[0].valid_lft_s == 10);
  CHECK((taker.batch().steps[0].flags & net::kStepQuiet) != 0);
  taker.finish();
  taker.run(3 * Taker::kSecond);
  CHECK(taker.waiting() == 0);
  taker.run(Taker::kSecond);
  REQUIRE(taker.waiting() == 1);
  taker.finish();
  taker.b.frozen = true;
  taker.run(3 * Taker::kSecond);
  REQUIRE(taker.waiting() == 1);
  CHECK(taker.batch().steps[0].valid_lft_s == 0);
  taker.finish();
  taker.run(60 * Taker::kSecond);
  CHECK(taker.waiting() == 0);
}

TEST_CASE("a release voids the refresh that still waits") {
  Taker taker;
  taker.hold(1);
  taker.run(1000);
  REQUIRE(taker.waiting() == 1);
  REQUIRE(taker.controller.renew_ownership(Taker::kSlot, 1, taker.world.now + 1000, taker.world.now));
  taker.run(100'000);
  REQUIRE(taker.waiting() == 2);
  CHECK(taker.batch().flags == net::kBatchRefresh);
  CHECK(taker.batch().stamp != taker.a.steps.group_stamp(Taker::kSlot));
}

}  // namespace twinbeat::test
