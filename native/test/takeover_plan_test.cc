// Plans: what sets them off, what forbids them, and that every mark has exactly one answer.
#include <doctest/doctest.h>

#include <cerrno>

#include "takeover_world.h"

namespace twinbeat::test {

namespace {

using Arm = Taker::Arm;

// Fires plan 1 after `prepare` and gives the guard that forbade it; kNone: a batch is under way.
template <typename Prepare>
Guard guard_after(AuthorityKind kind, Prepare&& prepare, std::uint64_t generation = 200) {
  Taker taker;
  taker.kill_b();
  REQUIRE(taker.arm(1) == Arm::kArmed);
  prepare(taker);
  REQUIRE(taker.fire(1, kind, generation));
  taker.run(1000);
  const Guard guard = taker.last_guard();
  CHECK(taker.waiting() == (guard == Guard::kNone ? 1 : 0));
  // Whatever was withheld is armed still.
  if (guard != Guard::kNone) CHECK(taker.board.slots[Taker::kSlot].peek().state == SlotState::kArmed);
  return guard;
}

const auto nothing = [](Taker&) {};

}  // namespace

TEST_CASE("a marked plan fires once, from the moment of the peer's death") {
  Taker taker;
  taker.kill_b();
  REQUIRE(taker.arm(1) == Arm::kArmed);
  CHECK(taker.arm(2) == Arm::kBusy);
  REQUIRE(taker.fire(1, AuthorityKind::kAccept, 200));
  CHECK_FALSE(taker.fire(1, AuthorityKind::kAccept, 200));
  taker.run(1000);
  REQUIRE(taker.waiting() == 1);
  CHECK(taker.batch().count == 2);
  CHECK(taker.batch().steps[0].op == net::StepOp::kAdd);
  CHECK(taker.controller.disarm(Taker::kSlot, 1) == DisarmAnswer::kFiring);
  taker.finish();
  const auto fired = taker.a.of(RecordType::kPlanFired);
  REQUIRE(fired.size() == 1);
  CHECK(fired[0].previous == 1);
  CHECK(fired[0].count == Taker::kSlot);
  CHECK(fired[0].value_us == taker.a.of(RecordType::kPeerDead)[0].at);
  CHECK(fired[0].body.size() == 16 + 2 * 8);
  CHECK(taker.controller.disarm(Taker::kSlot, 1) == DisarmAnswer::kFired);
  CHECK(taker.a.of(RecordType::kPlanWithheld).empty());
}

TEST_CASE("every guard forbids, and without one the plan goes off") {
  constexpr auto accept = AuthorityKind::kAccept;
  CHECK(guard_after(accept, nothing) == Guard::kNone);
  CHECK(guard_after(AuthorityKind::kFence, nothing) == Guard::kNone);
  CHECK(guard_after(AuthorityKind::kFence, nothing, 199) == Guard::kPeerIncarnation);
  CHECK(guard_after(accept, [](Taker& taker) {
          taker.limits(Taker::kSecond, 0);
          taker.renews = false;
          taker.run(2 * Taker::kSecond);
        }) == Guard::kController);
  CHECK(guard_after(accept, [](Taker& taker) {
          taker.interface({.identity = 1, .present = true, .up = true, .carrier = false});
        }) == Guard::kInterface);
  CHECK(guard_after(accept, [](Taker& taker) {
          taker.interface({.identity = 2, .present = true, .up = true, .carrier = true});
        }) == Guard::kInterface);
  CHECK(guard_after(accept, [](Taker& taker) {
          taker.guardian.leave();
          taker.run(1000);
        }) == Guard::kGuardian);
  CHECK(guard_after(accept, [](Taker& taker) { taker.a.steps.void_group(Taker::kSlot); }) == Guard::kVoided);
  CHECK(guard_after(AuthorityKind::kLease, nothing) == Guard::kOwnership);
  CHECK(guard_after(AuthorityKind::kLease, [](Taker& taker) {
          REQUIRE(taker.controller.renew_ownership(Taker::kSlot, 1, taker.world.now + Taker::kSecond, taker.world.now));
        }) == Guard::kNone);
}

TEST_CASE("a peer that is heard is not dead, whatever the core believes") {
  Taker taker;
  REQUIRE(taker.arm(1) == Arm::kArmed);
  REQUIRE(taker.fire(1, AuthorityKind::kAccept, 200));
  taker.run(1000);
  CHECK(taker.last_guard() == Guard::kPeerAlive);
  // A word of the living peer needs no silence.
  REQUIRE(taker.fire(1, AuthorityKind::kAgreed, 200));
  taker.run(1000);
  CHECK(taker.waiting() == 1);
}

TEST_CASE("a peer that restarted since is another one") {
  Taker taker;
  taker.kill_b();
  REQUIRE(taker.arm(1, 199) == Arm::kArmed);
  REQUIRE(taker.fire(1, AuthorityKind::kAccept));
  taker.run(1000);
  CHECK(taker.last_guard() == Guard::kPeerIncarnation);
}

TEST_CASE("whoever did not run himself cannot say that the other was silent") {
  Taker taker;
  taker.kill_b();
  REQUIRE(taker.arm(1) == Arm::kArmed);
  // Not run for 300 ms, and marked before the next cycle.
  taker.world.now += 300'000;
  REQUIRE(taker.fire(1, AuthorityKind::kAccept, 200));
  taker.a.engine.do_work({taker.world.now, 1'700'000'000'000'000});
  taker.a.drain();
  CHECK(taker.last_guard() == Guard::kLate);
  // With the next heartbeat the hearing is whole again.
  taker.run(200'000);
  REQUIRE(taker.fire(1, AuthorityKind::kAccept, 200));
  taker.run(1000);
  CHECK(taker.waiting() == 1);
}

TEST_CASE("an authority that ran out before the claim withholds") {
  Taker taker;
  taker.kill_b();
  REQUIRE(taker.arm(1) == Arm::kArmed);
  REQUIRE(taker.fire(1, AuthorityKind::kFence, 200, taker.world.now - 1));
  taker.run(1000);
  CHECK(taker.last_guard() == Guard::kExpired);
}

TEST_CASE("what the netlink thread refused was not done: the plan is armed again") {
  Taker taker;
  taker.kill_b();
  REQUIRE(taker.arm(1) == Arm::kArmed);
  REQUIRE(taker.fire(1, AuthorityKind::kAccept, 200));
  taker.run(1000);
  taker.finish(ESTALE);
  CHECK(taker.last_guard() == Guard::kController);
  CHECK(taker.a.of(RecordType::kPlanFired).empty());
  REQUIRE(taker.fire(1, AuthorityKind::kAccept, 200));
  taker.run(1000);
  taker.finish(ENODEV);  // the kernel's own no is an end of the plan, and the core looks
  CHECK(taker.a.of(RecordType::kPlanFired).size() == 1);
  CHECK(taker.a.of(RecordType::kPlanWithheld).size() == 1);
}

TEST_CASE("a plan that was disarmed after its mark says nothing, and the mark is nobody's") {
  Taker taker;
  taker.kill_b();
  REQUIRE(taker.arm(1) == Arm::kArmed);
  REQUIRE(taker.fire(1, AuthorityKind::kAccept, 200));
  CHECK(taker.controller.disarm(Taker::kSlot, 1) == DisarmAnswer::kDisarmed);
  REQUIRE(taker.arm(2) == Arm::kArmed);
  REQUIRE(taker.fire(2, AuthorityKind::kAccept, 200));
  taker.run(1000);
  REQUIRE(taker.waiting() == 1);
  taker.finish();
  const auto fired = taker.a.of(RecordType::kPlanFired);
  REQUIRE(fired.size() == 1);
  CHECK(fired[0].previous == 2);
  CHECK(taker.a.of(RecordType::kPlanWithheld).empty());
}

TEST_CASE("only what the guardian holds is armed") {
  Taker taker;
  taker.set_groups(2, {{Taker::kSlot, true, "web", {"10.1.1.1", "10.1.1.2"}}});
  CHECK(taker.arm(1) == Arm::kUnguarded);
  taker.run(1000);
  taker.guardian.acknowledge();
  CHECK(taker.arm(1) == Arm::kArmed);
  taker.set_groups(3, {{Taker::kSlot, true, "web", {"10.1.1.1"}}});
  CHECK(taker.controller.disarm(Taker::kSlot, 1) == DisarmAnswer::kDisarmed);
  CHECK(taker.arm(2) == Arm::kInvalid);
  CHECK(taker.a.of(RecordType::kGuardianReady).size() == 1);
  taker.run(1000);
  taker.guardian.acknowledge();
  taker.run(200'000);
  CHECK(taker.a.of(RecordType::kGuardianReady).back().previous == 3);
}

TEST_CASE("what is held stays written ahead until it is not") {
  Taker taker;
  taker.hold(1);
  taker.run(1000);
  CHECK(taker.set_groups(2, {{5, true, "db", {"10.1.1.9"}}}) == TakeoverController::Groups::kPublished);
  CHECK(taker.board.table.load()->of(Taker::kSlot).size() == 2);
  CHECK(taker.set_groups(3, {{Taker::kSlot, true, "other", {}}}) == TakeoverController::Groups::kSlotInUse);
  taker.hold(1, true, false);
  CHECK(taker.set_groups(3, {{Taker::kSlot, true, "other", {}}}) == TakeoverController::Groups::kPublished);
  CHECK(taker.board.table.load()->of(Taker::kSlot).empty());
}

TEST_CASE("the netlink thread's gate asks before every addition and never about a removal") {
  Taker taker;
  net::StepBatch batch{};
  batch.group = Taker::kSlot;
  net::AddressStep step = taker.board.table.load()->of(Taker::kSlot)[0];
  const auto ask = [&] { return taker.gate.may_add(batch, step, taker.world.now); };
  CHECK(ask() == 0);
  step.address.bytes[3] = 77;
  CHECK(ask() == kNotGuarded);
  step.address.bytes[3] = 1;
  REQUIRE(taker.controller.renew_ownership(Taker::kSlot, 5, taker.world.now + 10, taker.world.now));
  CHECK(ask() == 0);
  CHECK(taker.gate.may_add(batch, step, taker.world.now + 10) == kNotOwned);
  REQUIRE(taker.controller.renew_ownership(Taker::kSlot, 5, 0, taker.world.now));
  taker.limits(1000, 0);
  CHECK(taker.gate.may_add(batch, step, taker.world.now + 200'000) == kControllerLate);
  batch.flags = net::kBatchRefresh;
  CHECK(taker.gate.may_add(batch, step, taker.world.now + 200'000) == 0);
  batch.flags = 0;
  taker.limits(0, 0);
  taker.guardian.page().guardian.acknowledged.store(0);
  CHECK(ask() == kNotGuarded);
  taker.guardian.acknowledge();
  CHECK(ask() == 0);
  REQUIRE(taker.board.lease.end(taker.board.lease.renewed_at()));
  CHECK(ask() == kLifeIsOver);
}

}  // namespace twinbeat::test
