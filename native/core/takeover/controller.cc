#include "core/takeover/controller.h"

#include <algorithm>
#include <cerrno>

#include "core/base/wire_reader.h"
#include "core/net/step_codec.h"
#include "core/takeover/guards.h"

namespace twinbeat {

namespace {

// An ownership that lasts longer than this was computed from another clock.
constexpr Micros kOwnershipMost = 3600 * kMicrosPerSecond;

bool remember_interfaces(const GroupTable& table, InterfaceBoard& board) noexcept {
  return std::all_of(table.addresses.begin(), table.addresses.end(), [&](const net::AddressStep& step) {
    return board.place_of(step.interface).has_value();
  });
}

// As the interfaces are now; one that nobody has looked at yet counts as its first appearance.
bool note_interfaces(TakePlan& plan, InterfaceBoard& board) noexcept {
  plan.interface_count = 0;
  for (std::uint32_t i = 0; i < plan.step_count; ++i) {
    const auto place = board.place_of(plan.steps[i].interface);
    if (!place) return false;
    const auto end = plan.interfaces.begin() + plan.interface_count;
    const bool known = std::any_of(plan.interfaces.begin(), end,
                                   [&](const PlanInterface& one) { return one.place == *place; });
    if (known) continue;
    if (plan.interface_count == kPlanInterfacesMax) return false;
    const std::uint32_t identity = board.word(*place).identity;
    plan.interfaces[plan.interface_count++] = {*place, identity == 0 ? 1 : identity};
  }
  return true;
}

}  // namespace

int TakeoverController::attach(int page_fd, int bell_fd) noexcept {
  const int error = board_.page.is_open() ? board_.page.attach(bell_fd) : board_.page.open(page_fd, bell_fd);
  if (error == 0) board_.guarded.store(true, std::memory_order_release);
  return error;
}

TakeoverController::Groups TakeoverController::set_groups(Bytes bytes) {
  auto table = std::make_unique<GroupTable>();
  if (!parse_group_table(bytes, *table)) return Groups::kInvalid;
  if (!tables_.empty()) {
    const GroupTable& before = *tables_.back();
    if (table->revision <= before.revision) return Groups::kOld;
    const std::uint64_t unclaimed = board_.unclaimed.load(std::memory_order_acquire);
    for (std::size_t slot = 0; slot < kSlots; ++slot) {
      if (!held_[slot] && (unclaimed >> slot & 1) == 0) continue;
      const TableGroup& next = table->groups[slot];
      if (next.used && !(next.name == before.groups[slot].name)) return Groups::kSlotInUse;
      if (!carry_over(before, slot, *table)) return Groups::kFull;
    }
  }
  if (!remember_interfaces(*table, board_.interfaces)) return Groups::kFull;
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    if (table->groups[slot].used) touch(slot);
  }
  tables_.push_back(std::move(table));
  board_.table.store(tables_.back().get(), std::memory_order_release);
  forget_old_tables();
  return Groups::kPublished;
}

void TakeoverController::forget_old_tables() {
  const std::uint64_t engine = board_.engine_looks_at.load(std::memory_order_acquire);
  const std::uint64_t net = board_.net_looks_at.load(std::memory_order_acquire);
  const std::uint64_t oldest = std::min(engine, net);
  const auto used = std::find_if(tables_.begin(), tables_.end() - 1,
                                 [&](const auto& table) { return table->revision >= oldest; });
  tables_.erase(tables_.begin(), used);
}

void TakeoverController::note_held(std::size_t slot, bool held) noexcept {
  if (slot < kSlots) held_[slot] = held;
}

std::size_t TakeoverController::slot_of(Bytes bytes) noexcept {
  return bytes.empty() || bytes[0] >= kSlots ? kSlots : bytes[0];
}

TakeoverController::Arm TakeoverController::arm(Bytes bytes, std::uint32_t stamp) noexcept {
  WireReader in(bytes);
  const std::size_t slot = in.u8();
  const std::uint64_t epoch = in.u64();
  const bool on_peer_dead = in.u8() != 0;
  const bool needs_ownership = in.u8() != 0;
  const bool has_peer = in.u8() != 0;
  const std::uint64_t generation = in.u64();
  const std::uint64_t gasp_epoch = in.u64();
  const std::string_view peer = in.text();
  if (!in.ok() || slot >= kSlots || peer.size() > kMaxNodeNameBytes || tables_.empty()) return Arm::kInvalid;
  const bool self_firing = on_peer_dead || gasp_epoch != 0;
  // Whose silence, whose last words?
  if (self_firing && (!has_peer || generation == 0)) return Arm::kInvalid;
  const std::uint32_t count = net::parse_steps(in.raw(in.remaining()), steps_);
  const GroupTable& table = *tables_.back();
  if (count == 0 || !table.groups[slot].used) return Arm::kInvalid;
  const bool own = std::all_of(steps_.begin(), steps_.begin() + count, [&](const net::AddressStep& step) {
    return step.op == net::StepOp::kAdd && table.holds(slot, step);
  });
  if (!own) return Arm::kInvalid;
  if (!is_written_ahead(board_, slot, {steps_.data(), count})) return Arm::kUnguarded;
  bool interfaces = true;
  touch(slot);
  // Before the plan is there: the engine may look at once.
  const std::uint64_t bit = std::uint64_t{1} << slot;
  if (self_firing) board_.self_firing.fetch_or(bit, std::memory_order_release);
  const ArmAnswer answer = board_.slots[slot].arm(epoch, [&](TakePlan& plan) {
    plan.on_peer_dead = on_peer_dead;
    plan.needs_ownership = needs_ownership;
    plan.gasp_epoch = gasp_epoch;
    plan.has_peer = has_peer;
    plan.peer.assign(peer);
    plan.peer_generation = generation;
    plan.stamp = stamp;
    plan.step_count = count;
    std::copy_n(steps_.begin(), count, plan.steps.begin());
    interfaces = note_interfaces(plan, board_.interfaces);
    // It is taken back below, and must not go off before that.
    if (!interfaces) plan.on_peer_dead = false;
    if (!interfaces) plan.gasp_epoch = 0;
  });
  if (answer == ArmAnswer::kBusy) return Arm::kBusy;
  if (answer == ArmAnswer::kStale) return Arm::kInvalid;
  if (!interfaces) {
    static_cast<void>(board_.slots[slot].disarm(epoch));
    return Arm::kInvalid;
  }
  self_firing_[slot] = self_firing ? epoch : 0;
  if (!self_firing) board_.self_firing.fetch_and(~bit, std::memory_order_release);
  return Arm::kArmed;
}

DisarmAnswer TakeoverController::disarm(std::size_t slot, std::uint64_t epoch) noexcept {
  return slot < kSlots ? board_.slots[slot].disarm(epoch) : DisarmAnswer::kUnknown;
}

TakeoverController::Fire TakeoverController::fire(std::size_t slot, std::uint64_t epoch,
                                                  const PlanAuthority& authority) noexcept {
  if (slot >= kSlots) return Fire::kUnknown;
  const SlotWord word = board_.slots[slot].peek();
  if (word.counter != epoch || word.state == SlotState::kEmpty) return Fire::kUnknown;
  if (word.state != SlotState::kArmed) return self_firing_[slot] == epoch ? Fire::kUnderWay : Fire::kUnknown;
  FireMark& mark = board_.marks[slot];
  // The mark of a plan that was disarmed since is nobody's; the engine would throw it away.
  const std::uint64_t before = mark.epoch.load(std::memory_order_acquire);
  if (before == epoch) return Fire::kUnknown;
  if (before != 0) {
    std::uint64_t expected = before;
    const bool taken_back = mark.epoch.compare_exchange_strong(expected, 0, std::memory_order_acq_rel);
    if (!taken_back && expected != 0) return Fire::kUnknown;
  }
  touch(slot);
  mark.kind.store(static_cast<std::uint8_t>(authority.kind), std::memory_order_relaxed);
  mark.peer_generation.store(authority.peer_generation, std::memory_order_relaxed);
  mark.not_after.store(authority.not_after, std::memory_order_relaxed);
  mark.epoch.store(epoch, std::memory_order_release);
  return Fire::kMarked;
}

bool TakeoverController::renew_ownership(std::size_t slot, std::uint64_t token, Micros deadline, Micros now) noexcept {
  if (slot >= kSlots) return false;
  touch(slot);
  if (deadline == 0) {
    board_.ownership[slot].clear();
    return true;
  }
  if (token < tokens_[slot] || deadline <= now || deadline - now > kOwnershipMost) return false;
  tokens_[slot] = token;
  board_.ownership[slot].renew(deadline);
  return true;
}

}  // namespace twinbeat
