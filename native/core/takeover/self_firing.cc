// Plans that go off without an order: on the silence of the peer whose group it is, or on that peer's last words about
// exactly the claim that the plan was armed for. Looked at in the judging step of every cycle, after the links were
// drained; what a guard forbids stays armed and is looked at again. JavaScript learns of it afterwards.
#include <algorithm>

#include "core/takeover/takeover.h"

namespace twinbeat {

namespace {

// The controller has run for so long since it was told, and does not say that it holds what was taken: it knows nothing
// of the group, and nobody else would ever let go of it.
constexpr Micros kClaimWithin = 2 * kMicrosPerSecond;

bool somebody_is_dead(std::span<const Peer> peers) noexcept {
  return std::any_of(peers.begin(), peers.end(),
                     [](const Peer& peer) { return peer.is_normal_other() && peer.state == PeerState::kDead; });
}

}  // namespace

void Takeover::note_gasp(const Peer& peer, std::string_view group, std::uint64_t claim_epoch,
                         std::string_view digest) noexcept {
  if (table_ == nullptr || claim_epoch == 0) return;
  for (const std::size_t slot : SlotSet(live_)) {
    const TableGroup& known = table_->groups[slot];
    if (!known.used || !known.address_only || !(known.name == group) || !(known.digest == digest)) continue;
    slots_[slot].gasp_epoch = claim_epoch;
    slots_[slot].gasp_generation = peer.sequence.generation();
    gasped_ |= std::uint64_t{1} << slot;
  }
}

void Takeover::judge_self_firing(const TakeoverScene& scene) noexcept {
  // Last words are judged again by whoever hears of them afterwards.
  if (scene.withheld) return;
  const std::uint64_t gasped = scene.muted ? 0 : gasped_;
  gasped_ = 0;
  const std::uint64_t candidates = board_.self_firing.load(std::memory_order_acquire);
  if (candidates == 0 || lapsed_ || steps_ == nullptr) return;
  const bool silence = !scene.muted && somebody_is_dead(scene.guard.peers);
  if (!silence && gasped == 0) return;
  for (const std::size_t slot : SlotSet(candidates & live_)) {
    // One end for every claim, and what is being let go is not taken meanwhile.
    if (slots_[slot].firing || slots_[slot].answer.owed || slots_[slot].release != Release::kNone) continue;
    // Last words count once: what forbids the take now is judged again by whoever hears of them afterwards.
    if ((gasped >> slot & 1) != 0) {
      fire_by_itself(slot, {.kind = AuthorityKind::kGasp, .peer_generation = slots_[slot].gasp_generation}, scene);
    }
    if (silence && !slots_[slot].firing) fire_by_itself(slot, {.on_silence = true}, scene);
  }
}

void Takeover::fire_by_itself(std::size_t slot, const PlanAuthority& asked, const TakeoverScene& scene) noexcept {
  const std::uint32_t stamp = steps_->group_stamp(static_cast<std::uint32_t>(slot));
  PlanAuthority authority = asked;
  const std::uint64_t epoch = board_.slots[slot].look([&](const TakePlan& plan) {
    if (asked.on_silence) {
      if (!plan.on_peer_dead) return false;
      authority.kind = plan.needs_ownership ? AuthorityKind::kLease : AuthorityKind::kAccept;
      authority.peer_generation = plan.peer_generation;
    } else if (plan.gasp_epoch == 0 || plan.gasp_epoch != slots_[slot].gasp_epoch || plan.needs_ownership ||
               plan.peer_generation != asked.peer_generation) {
      return false;
    }
    return plan.has_peer && judge_guards(plan, authority, slot, stamp, board_, scene.guard) == Guard::kNone;
  });
  // Without room on the way to the netlink thread nothing is claimed either: there is another cycle.
  if (epoch == 0 || steps_->claim() == nullptr) return;
  const TakePlan* plan = board_.slots[slot].claim(epoch);
  if (plan == nullptr) return;  // disarmed at this very moment
  note_taken(slot);
  run_plan(slot, epoch, *plan, authority, scene);
}

// Before the first address is on its way: from here on the guardian counts the group as held, with no last words.
void Takeover::note_taken(std::size_t slot) noexcept {
  Slot& place = slots_[slot];
  place.unclaimed = true;
  place.unclaimed_since = 0;
  unclaimed_ |= std::uint64_t{1} << slot;
  board_.unclaimed.store(unclaimed_, std::memory_order_release);
  place.holding = {.held = true};
  place.lifetime_known = false;
  tell_page(slot);
}

void Takeover::note_claimed(std::size_t slot) noexcept {
  if (!slots_[slot].unclaimed) return;
  slots_[slot].unclaimed = false;
  unclaimed_ &= ~(std::uint64_t{1} << slot);
  board_.unclaimed.store(unclaimed_, std::memory_order_release);
}

void Takeover::watch_unclaimed(Micros now) noexcept {
  if (unclaimed_ == 0) return;
  const Micros renewed = board_.lease.renewed_at();
  for (const std::size_t slot : SlotSet(unclaimed_)) {
    Slot& place = slots_[slot];
    if (!place.unclaimed || place.unclaimed_since == 0 || place.release != Release::kNone) continue;
    const bool ran_since = renewed > place.unclaimed_since + kClaimWithin;
    if (ran_since && now > place.unclaimed_since + kClaimWithin) begin_release(slot, false);
  }
}

}  // namespace twinbeat
