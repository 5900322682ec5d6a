#include "core/takeover/guards.h"

#include <algorithm>
#include <cerrno>

#include "core/takeover/take_gate.h"

namespace twinbeat {

namespace {

const Peer* peer_of(const TakePlan& plan, std::span<const Peer> peers) noexcept {
  for (const Peer& peer : peers) {
    if (peer.is_normal_other() && peer.name == plan.peer) return &peer;
  }
  return nullptr;
}

Guard judge_peer(const TakePlan& plan, const PlanAuthority& authority, const GuardScene& scene) noexcept {
  const bool silence = rests_on_silence(authority);
  if (!plan.has_peer) {
    // Alone by configuration: there must really be nobody.
    const bool somebody = std::any_of(scene.peers.begin(), scene.peers.end(), [](const Peer& peer) {
      return peer.is_normal_other() && peer.is_live();
    });
    return silence && somebody ? Guard::kPeerAlive : Guard::kNone;
  }
  const Peer* peer = peer_of(plan, scene.peers);
  if (peer == nullptr) return Guard::kPeerIncarnation;
  const std::uint64_t tracked = peer->sequence.heard() ? peer->sequence.generation() : 0;
  if (silence && tracked != plan.peer_generation) return Guard::kPeerIncarnation;
  // A word about one incarnation says nothing about the next. One that we never heard has said nothing against it.
  if (authority.peer_generation != 0 && tracked != 0 && tracked != authority.peer_generation) {
    return Guard::kPeerIncarnation;
  }
  return silence && peer->state != PeerState::kDead ? Guard::kPeerAlive : Guard::kNone;
}

Guard judge_interfaces(const TakePlan& plan, const InterfaceBoard& board) noexcept {
  for (std::uint32_t i = 0; i < plan.interface_count; ++i) {
    const InterfaceWord word = board.word(plan.interfaces[i].place);
    if (!word.carries() || word.identity != plan.interfaces[i].identity) return Guard::kInterface;
  }
  return Guard::kNone;
}

}  // namespace

bool rests_on_silence(const PlanAuthority& authority) noexcept {
  return authority.on_silence || authority.kind == AuthorityKind::kAccept;
}

Guard judge_guards(const TakePlan& plan, const PlanAuthority& authority, std::size_t slot, std::uint32_t stamp,
                   const TakeoverBoard& board, const GuardScene& scene) noexcept {
  if (!board.lease.fresh(scene.now)) return Guard::kController;
  if (plan.stamp != stamp) return Guard::kVoided;
  if (authority.not_after != 0 && scene.now >= authority.not_after) return Guard::kExpired;
  const bool owned = plan.needs_ownership || authority.kind == AuthorityKind::kLease;
  const Ownership& ownership = board.ownership[slot];
  if (owned ? !ownership.valid(scene.now) : !ownership.permits(scene.now)) return Guard::kOwnership;
  if (!is_written_ahead(board, slot, {plan.steps.data(), plan.step_count})) return Guard::kGuardian;
  // Whoever was not there himself cannot say that the others were silent.
  if (rests_on_silence(authority) && scene.lateness > scene.stall_limit) return Guard::kLate;
  if (const Guard guard = judge_peer(plan, authority, scene); guard != Guard::kNone) return guard;
  return judge_interfaces(plan, board.interfaces);
}

bool is_written_ahead(const TakeoverBoard& board, std::size_t slot,
                      std::span<const net::AddressStep> steps) noexcept {
  const GroupTable* table = board.table.load(std::memory_order_acquire);
  if (table == nullptr || !board.guarded.load(std::memory_order_acquire)) return false;
  if (!board.page.guarded(guard::kNetLock, table->revision)) return false;
  return std::all_of(steps.begin(), steps.end(),
                     [&](const net::AddressStep& step) { return table->holds(slot, step); });
}

Guard guard_of_errno(int error) noexcept {
  switch (error) {
    case ETIME: return Guard::kExpired;
    case ECANCELED: return Guard::kVoided;
    case kNotGuarded: return Guard::kGuardian;
    case kNotOwned: return Guard::kOwnership;
    case kControllerLate: return Guard::kController;
    default: return Guard::kNone;
  }
}

}  // namespace twinbeat
