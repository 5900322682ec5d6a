// Plans that go off by themselves: on silence and on last words, only under every guard, told to the controller
// afterwards, and never left to nobody.
#include <doctest/doctest.h>

#include <cerrno>

#include "takeover_world.h"

namespace twinbeat::test {

namespace {

using Arm = Taker::Arm;
using Fire = TakeoverController::Fire;

void gasp(Taker& taker, const std::string& epoch, const std::string& digest = "digest") {
  taker.b.send({{"t", "NS_tbgasp"}, {"tb_group", "web"}, {"tb_epoch", epoch}, {"tb_digest", digest}});
  taker.run(200'000);
}

// Armed for silence; dies after `prepare`. True: a batch is under way.
template <typename Prepare>
bool fires_after(Prepare&& prepare, std::uint64_t generation = 200, bool needs_ownership = false) {
  Taker taker;
  REQUIRE(taker.arm_for({.peer_dead = true}, 1, generation, needs_ownership) == Arm::kArmed);
  prepare(taker);
  taker.kill_b();
  // Whatever forbids it is no news: only who asks gets an answer.
  CHECK(taker.a.of(RecordType::kPlanWithheld).empty());
  if (taker.waiting() == 0) CHECK(taker.controller.disarm(Taker::kSlot, 1) == DisarmAnswer::kDisarmed);
  return taker.waiting() == 1;
}

const auto nothing = [](Taker&) {};

}  // namespace

TEST_CASE("silence sets off the plan in the cycle that finds the peer dead, and the guardian knows before") {
  Taker taker;
  REQUIRE(taker.arm_for({.peer_dead = true}, 1) == Arm::kArmed);
  taker.b.frozen = true;
  taker.run(Taker::kSecond / 4);
  CHECK(taker.waiting() == 0);
  CHECK(taker.words().held.load() == 0);
  taker.run(3 * Taker::kSecond);
  REQUIRE(taker.waiting() == 1);
  CHECK(taker.batch().count == 2);
  CHECK(taker.batch().group == Taker::kSlot);
  CHECK(taker.words().held.load() == 1);
  // The controller hears of the death, orders the take, and learns that it is under way.
  CHECK(taker.controller.fire(Taker::kSlot, 1, {.kind = AuthorityKind::kAccept}) == Fire::kUnderWay);
  CHECK(taker.controller.disarm(Taker::kSlot, 1) == DisarmAnswer::kFiring);
  taker.finish();
  const auto fired = taker.a.of(RecordType::kPlanFired);
  REQUIRE(fired.size() == 1);
  CHECK(fired[0].previous == 1);
  CHECK(fired[0].value_us <= taker.a.of(RecordType::kPeerDead)[0].at);
  CHECK(taker.a.of(RecordType::kPlanWithheld).empty());
  CHECK(taker.controller.fire(Taker::kSlot, 1, {.kind = AuthorityKind::kAccept}) == Fire::kUnderWay);
}

TEST_CASE("a plan that is only staged does not know of silence") {
  Taker taker;
  REQUIRE(taker.arm(1) == Arm::kArmed);
  taker.kill_b();
  CHECK(taker.waiting() == 0);
  REQUIRE(taker.controller.disarm(Taker::kSlot, 1) == DisarmAnswer::kDisarmed);
  // Armed when the peer is dead already: at once.
  REQUIRE(taker.arm_for({.peer_dead = true}, 2) == Arm::kArmed);
  taker.run(200'000);
  CHECK(taker.waiting() == 1);
}

TEST_CASE("every guard of silence keeps the plan where it is") {
  CHECK(fires_after(nothing));
  CHECK_FALSE(fires_after(nothing, 199));
  CHECK_FALSE(fires_after([](Taker& taker) {
    taker.limits(Taker::kSecond / 10, 0);
    taker.renews = false;
  }));
  CHECK_FALSE(fires_after([](Taker& taker) {
    taker.interface({.identity = 1, .present = true, .up = true, .carrier = false});
  }));
  CHECK_FALSE(fires_after([](Taker& taker) {
    taker.interface({.identity = 2, .present = true, .up = true, .carrier = true});
  }));
  CHECK_FALSE(fires_after([](Taker& taker) {
    taker.guardian.leave();
    taker.run(1000);
  }));
  CHECK_FALSE(fires_after([](Taker& taker) { taker.a.steps.void_group(Taker::kSlot); }));
  CHECK_FALSE(fires_after([](Taker& taker) { taker.a.steps.full = true; }));
}

TEST_CASE("under a lease silence is not enough, and the plan waits for the ownership") {
  CHECK_FALSE(fires_after(nothing, 200, true));
  Taker taker;
  REQUIRE(taker.arm_for({.peer_dead = true}, 1, 200, true) == Arm::kArmed);
  taker.kill_b();
  CHECK(taker.waiting() == 0);
  REQUIRE(taker.controller.renew_ownership(Taker::kSlot, 1, taker.world.now + Taker::kSecond, taker.world.now));
  taker.run(200'000);
  REQUIRE(taker.waiting() == 1);
  CHECK(taker.batch().not_after_us > taker.world.now);
}

TEST_CASE("a guard that clears lets the plan go in the next cycle") {
  Taker taker;
  REQUIRE(taker.arm_for({.peer_dead = true}, 1) == Arm::kArmed);
  taker.interface({.identity = 1, .present = true, .up = true, .carrier = false});
  taker.kill_b();
  CHECK(taker.waiting() == 0);
  taker.interface({.identity = 1, .present = true, .up = true, .carrier = true});
  taker.run(200'000);
  CHECK(taker.waiting() == 1);
}

TEST_CASE("whoever stood still himself does not call that silence") {
  Taker taker;
  REQUIRE(taker.arm_for({.peer_dead = true}, 1) == Arm::kArmed);
  // Nobody ran for two seconds; what b said meanwhile lies in the socket, or not even that.
  taker.world.now += 2 * Taker::kSecond;
  static_cast<void>(taker.controller.renew(taker.world.now));
  taker.a.engine.do_work({taker.world.now, 1'700'000'000'000'000});
  taker.a.drain();
  CHECK(taker.a.of(RecordType::kPeerDead).empty());
  CHECK(taker.waiting() == 0);
}

TEST_CASE("what lies in the socket is read before a plan goes off, whatever was said to be readable") {
  Taker taker;
  REQUIRE(taker.arm_for({.peer_dead = true}, 1) == Arm::kArmed);
  taker.a.frozen = true;
  taker.run(3 * Taker::kSecond);
  REQUIRE(taker.waiting() == 0);
  static_cast<void>(taker.controller.renew(taker.world.now));
  taker.a.engine.do_work({taker.world.now, 1'700'000'000'000'000 + taker.world.now, 0});
  taker.a.drain();
  CHECK(taker.a.of(RecordType::kPeerDead).empty());
  CHECK(taker.waiting() == 0);
}

TEST_CASE("last words about exactly that claim set the plan off while the peer still seems to live") {
  Taker taker;
  REQUIRE(taker.arm_for({.gasp_epoch = 0x2a}, 1) == Arm::kArmed);
  gasp(taker, "29");
  gasp(taker, "2a", "another");
  CHECK(taker.waiting() == 0);
  gasp(taker, "2a");
  REQUIRE(taker.waiting() == 1);
  CHECK(taker.a.of(RecordType::kPeerDead).empty());
  CHECK(taker.controller.fire(Taker::kSlot, 1, {.kind = AuthorityKind::kGasp, .peer_generation = 200}) == Fire::kUnderWay);
  taker.finish();
  CHECK(taker.a.of(RecordType::kPlanFired).size() == 1);
  // Its record came before, so that the controller knows why.
  REQUIRE_FALSE(taker.a.of(RecordType::kGasp).empty());
  CHECK(taker.a.of(RecordType::kGasp).back().at <= taker.a.of(RecordType::kPlanFired)[0].at);
  gasp(taker, "2a");
  CHECK(taker.waiting() == 0);
}

TEST_CASE("last words of another life, or for a plan that waits for silence only, set nothing off") {
  Taker taker;
  REQUIRE(taker.arm_for({.gasp_epoch = 0x2a}, 1, 199) == Arm::kArmed);
  gasp(taker, "2a");
  CHECK(taker.waiting() == 0);
  REQUIRE(taker.controller.disarm(Taker::kSlot, 1) == DisarmAnswer::kDisarmed);
  REQUIRE(taker.arm_for({.peer_dead = true}, 2) == Arm::kArmed);
  gasp(taker, "2a");
  CHECK(taker.waiting() == 0);
}

TEST_CASE("what was taken by itself stays held until the controller has taken it over") {
  Taker taker;
  REQUIRE(taker.arm_for({.peer_dead = true}, 1) == Arm::kArmed);
  taker.kill_b();
  taker.finish();
  // Said before it knew.
  taker.hold(0, false, false);
  taker.run(1000);
  CHECK(taker.words().held.load() == 1);
  CHECK(taker.board.unclaimed.load() == std::uint64_t{1} << Taker::kSlot);
  // A reload that knows nothing of it yet does not take its removal away.
  CHECK(taker.set_groups(2, {{5, true, "db", {"10.1.1.9"}}}) == TakeoverController::Groups::kPublished);
  CHECK(taker.board.table.load()->of(Taker::kSlot).size() == 2);
  taker.hold(7, false, true);
  taker.run(1000);
  CHECK(taker.board.unclaimed.load() == 0);
  CHECK(taker.words().claim_epoch.load() == 7);
  taker.hold(7, false, false);
  taker.run(1000);
  CHECK(taker.words().held.load() == 0);
}

TEST_CASE("what the controller never takes over is released, unless it does not run") {
  Taker taker;
  REQUIRE(taker.arm_for({.peer_dead = true}, 1) == Arm::kArmed);
  taker.kill_b();
  taker.finish();
  taker.renews = false;
  taker.run(5 * Taker::kSecond);
  CHECK(taker.waiting() == 0);
  taker.renews = true;
  taker.run(Taker::kSecond);
  REQUIRE(taker.waiting() == 1);
  CHECK(taker.batch().steps[0].op == net::StepOp::kRemove);
  taker.finish();
  CHECK(taker.a.of(RecordType::kGroupReleased).size() == 1);
  CHECK(taker.board.unclaimed.load() == 0);
  CHECK(taker.words().held.load() == 0);
}

TEST_CASE("what the netlink thread refused was not taken") {
  Taker taker;
  REQUIRE(taker.arm_for({.peer_dead = true}, 1) == Arm::kArmed);
  taker.kill_b();
  taker.finish(ECANCELED);
  CHECK(taker.last_guard() == Guard::kVoided);
  CHECK(taker.board.slots[Taker::kSlot].peek().state == SlotState::kArmed);
  CHECK(taker.board.unclaimed.load() == 0);
  CHECK(taker.words().held.load() == 0);
}

TEST_CASE("nothing is said in the name of what was taken by itself") {
  Taker taker;
  taker.hold(4, true, false);
  REQUIRE(taker.arm_for({.gasp_epoch = 1}, 1) == Arm::kArmed);
  gasp(taker, "1");
  REQUIRE(taker.waiting() == 1);
  taker.finish();
  CHECK(taker.words().claim_epoch.load() == 0);
  taker.limits(Taker::kSecond, 2 * Taker::kSecond);
  taker.renews = false;
  taker.run(4 * Taker::kSecond);
  CHECK(taker.b.of(RecordType::kGasp).empty());
}

TEST_CASE("a node that lets go for good removes, looks, and says so before the controller is done") {
  Taker taker;
  taker.hold(9);
  taker.run(200'000);
  while (taker.waiting() > 0) taker.finish();
  taker.hold(9, true, true, true);
  taker.run(1000);
  REQUIRE(taker.waiting() == 1);
  CHECK(taker.batch().steps[0].op == net::StepOp::kRemove);
  // Its own removals are done, and it says so: what is under way is about the claim that was held.
  taker.hold(9, false, false);
  taker.run(1000);
  CHECK(taker.b.of(RecordType::kGasp).empty());
  taker.finish();
  taker.run(100'000);
  const auto said = taker.b.of(RecordType::kGasp);
  REQUIRE_FALSE(said.empty());
  CHECK(said[0].previous == 9);
  CHECK(taker.words().held.load() == 0);
}

TEST_CASE("a node that lets go for good says nothing while an address is still there") {
  Taker taker;
  taker.hold(9, true, true, true);
  taker.run(1000);
  taker.finish(0, 0);  // the look behind the removal still finds it
  taker.run(20'000);
  CHECK(taker.b.of(RecordType::kGasp).empty());
}

}  // namespace twinbeat::test
