// Two engines on a manual clock; `a` has a netlink thread and a guardian that are played by hand, and one group.
#pragma once

#include <cerrno>
#include <string>
#include <vector>

#include "core/takeover/controller.h"
#include "core/takeover/manual_guardian.h"
#include "core/takeover/take_gate.h"
#include "engine_world.h"

namespace twinbeat::test {

// Little-endian, as src/engine/authority-codec.ts writes.
class ByteText {
 public:
  ByteText& number(std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) bytes_ += static_cast<char>(value >> (8 * i) & 0xff);
    return *this;
  }
  ByteText& text(std::string_view value) {
    number(value.size(), 2);
    bytes_ += value;
    return *this;
  }
  ByteText& raw(const std::string& value) {
    bytes_ += value;
    return *this;
  }
  [[nodiscard]] const std::string& string() const { return bytes_; }

 private:
  std::string bytes_;
};

inline std::string addition(const std::string& address) {
  ByteText step;
  step.number(1, 1).number(4, 1).number(24, 1).number(0, 2).number(0, 4).number(0, 2);
  return step.text(address).text("").text("eth0").text("").string();
}

struct TestGroup {
  std::size_t slot = 0;
  bool address_only = true;
  std::string name;
  std::vector<std::string> addresses;
};

inline std::string groups_bytes(std::uint64_t revision, const std::vector<TestGroup>& groups) {
  ByteText out;
  out.number(revision, 8).number(groups.size(), 1);
  for (const TestGroup& group : groups) {
    std::string steps;
    for (const std::string& address : group.addresses) steps += addition(address);
    out.number(group.slot, 1).number(group.address_only ? 1 : 0, 1).text(group.name).text("digest");
    out.number(steps.size(), 4).raw(steps);
  }
  return out.string();
}

class Taker {
 public:
  static constexpr std::size_t kSlot = 3;
  static constexpr Micros kSecond = kMicrosPerSecond;
  using Arm = TakeoverController::Arm;

  explicit Taker(bool address_only = true)
      : a(world.add("a", {World::link("eth1")}, 100)),
        b(world.add("b", {World::link("eth1")}, 200)),
        board(*a.port.board),
        controller(board),
        gate(board) {
    TB_ASSERT(guardian.ok(), "a page");
    TB_ASSERT(controller.attach(guardian.page_fd(), guardian.bell_fd()) == 0, "attached");
    gate.thread_begins();
    set_groups(1, {{kSlot, address_only, "web", {"10.1.1.1", "10.1.1.2"}}});
    interface({.identity = 1, .present = true, .up = true, .carrier = true});
    run(kSecond);
    guardian.acknowledge();
    run(kSecond / 10);
  }
  ~Taker() { gate.thread_ends(); }

  TakeoverController::Groups set_groups(std::uint64_t revision, const std::vector<TestGroup>& groups) {
    return controller.set_groups(as_bytes(groups_bytes(revision, groups)));
  }
  void interface(const InterfaceWord& word) { board.interfaces.update(*board.interfaces.place_of("eth0"), word); }
  // The controller lives on while time passes, in steps as long as its own timer's.
  void run(Micros span) {
    for (Micros left = span; left > 0; left -= 100'000) {
      if (renews) static_cast<void>(controller.renew(world.now));
      world.run(std::min<Micros>(left, 100'000));
    }
  }
  struct Trigger {
    bool peer_dead = false;
    std::uint64_t gasp_epoch = 0;
  };
  Arm arm(std::uint64_t epoch, std::uint64_t generation = 200, bool needs_ownership = false) {
    return arm_for({}, epoch, generation, needs_ownership);
  }
  Arm arm_for(Trigger trigger, std::uint64_t epoch, std::uint64_t generation = 200, bool needs_ownership = false) {
    ByteText plan;
    plan.number(kSlot, 1).number(epoch, 8).number(trigger.peer_dead ? 1 : 0, 1).number(needs_ownership ? 1 : 0, 1);
    plan.number(1, 1).number(generation, 8).number(trigger.gasp_epoch, 8);
    plan.text("b").raw(addition("10.1.1.1") + addition("10.1.1.2"));
    return controller.arm(as_bytes(plan.string()), a.steps.group_stamp(kSlot));
  }
  bool fire(std::uint64_t epoch, AuthorityKind kind, std::uint64_t generation = 0, Micros not_after = 0) {
    const PlanAuthority authority{.kind = kind, .peer_generation = generation, .not_after = not_after};
    return controller.fire(kSlot, epoch, authority) == TakeoverController::Fire::kMarked;
  }
  void hold(std::uint64_t epoch, bool peer_ready = true, bool held = true, bool leaving = false) {
    controller.note_held(kSlot, held);
    ByteText holding;
    holding.number(kSlot, 1).number(held ? (leaving ? 2 : 1) : 0, 1).number(peer_ready ? 1 : 0, 1).number(0, 1).number(epoch, 8);
    a.command(CommandType::kHolding, as_bytes(holding.string()));
  }
  void limits(Micros withhold, Micros release, Micros reset = 0) {
    board.lease.withhold_us.store(withhold);
    board.lease.release_us.store(release);
    board.lease.reset_us.store(reset);
  }
  void kill_b() {
    b.frozen = true;
    run(3 * kSecond);
    TB_ASSERT(!a.of(RecordType::kPeerDead).empty(), "b is dead");
  }
  // The oldest batch is done; every step with this errno.
  // What is removed is gone, unless `seen` says what the look behind the removals finds.
  void finish(int error = 0, int seen = EADDRNOTAVAIL) {
    TB_ASSERT(!a.steps.waiting().empty(), "a batch waits");
    const net::StepBatch& front = *a.steps.waiting().front();
    std::vector<int> errors(front.count, error);
    const bool removes = front.count > 0 && front.steps[0].op == net::StepOp::kRemove;
    for (std::uint32_t i = 0; removes && error == 0 && i < front.count; ++i) {
      if (front.steps[i].op == net::StepOp::kQuery) errors[i] = seen;
    }
    a.steps.finish(errors, world.now);
    run(1000);
  }
  [[nodiscard]] std::size_t waiting() const { return a.steps.waiting().size(); }
  [[nodiscard]] const net::StepBatch& batch() const { return *a.steps.waiting().front(); }
  [[nodiscard]] Guard last_guard() const {
    const auto withheld = a.of(RecordType::kPlanWithheld);
    return withheld.empty() ? Guard::kNone : static_cast<Guard>(withheld.back().number);
  }
  [[nodiscard]] guard::GroupWords& words() { return guardian.page().groups[kSlot]; }

  World world;
  WorldNode& a;
  WorldNode& b;
  TakeoverBoard& board;
  ManualGuardian guardian;
  TakeoverController controller;
  TakeGate gate;
  bool renews = true;
};

}  // namespace twinbeat::test
