// Last words: what the other node is told about a group whose addresses are verified absent here. Signed ahead for the
// guardian, said by the engine itself when JavaScript did not renew its lease.
#include <algorithm>
#include <utility>

#include "core/engine/engine.h"

namespace twinbeat {

namespace {

// Said so often: there is nobody left who could repeat it, and a second copy changes nothing.
constexpr int kGaspCopies = 3;

// Which key signs; another number than before means that what was signed is old.
std::uint64_t keys_of(const Setup* setup) noexcept { return setup == nullptr ? 0 : setup->revision; }

}  // namespace

TakeoverScene Engine::scene() const noexcept {
  TakeoverScene scene;
  scene.guard = {.now = current_.now,
                 .lateness = lateness_,
                 .stall_limit = setup_ == nullptr ? 0 : stall_limit(),
                 .peers = std::as_const(*peers_).all()};
  scene.deadtime = setup_ == nullptr ? 0 : setup_->announced_dead_time();
  scene.generation = generation_;
  scene.keys = keys_of(setup_.get());
  scene.bell = current_.bell;
  scene.withheld = asking();
  scene.muted = muted_;
  for (const Peer& peer : scene.guard.peers) {
    scene.peer_present = scene.peer_present || (peer.is_normal_other() && peer.is_live());
    // Something may be taken in this very cycle: whether the guardian lives is asked, not remembered.
    scene.bell = scene.bell || (peer.is_normal_other() && peer.state == PeerState::kDead);
  }
  scene.gasp_is_heard = only_twinbeat_listens();
  return scene;
}

bool Engine::compose_gasp(std::size_t slot, std::uint64_t claim_epoch, Message& message) const noexcept {
  const GroupTable* table = takeover_.table();
  if (table == nullptr || !table->groups[slot].used) return false;
  const TableGroup& group = table->groups[slot];
  return message.add_text("t", kGaspType) == Status::kOk &&
         message.add_text("tb_group", group.name.view()) == Status::kOk &&
         message.add_hex("tb_epoch", claim_epoch) == Status::kOk &&
         message.add_text("tb_digest", group.digest.view()) == Status::kOk;
}

bool Engine::sign_gasp(std::size_t slot, std::uint64_t claim_epoch, LastWords& words) noexcept {
  Message message({compose_arena_.get(), kMaxMessageBytes});
  const bool ok = compose_gasp(slot, claim_epoch, message) && complete(message, false, current_);
  if (!ok) return false;
  const Encoded datagram =
      encode_netstring(message, setup_->keyring, InnerAuth::kAdd, {netstring_.get(), kMaxMessageBytes});
  if (datagram.status != Status::kOk) return false;
  words.datagram = datagram.bytes;
  const bool lines = std::any_of(links_.begin(), links_.begin() + static_cast<std::ptrdiff_t>(link_count_),
                                 [](const LinkPlace& place) { return place.link->wants_classic(); });
  if (!lines) return true;
  const Encoded line = encode_classic(message, setup_->keyring, {classic_.get(), 2 * kMaxMessageBytes});
  if (line.status != Status::kOk) return false;
  words.line = line.bytes;
  return true;
}

void Engine::say_gasp(std::size_t slot, std::uint64_t claim_epoch) noexcept {
  for (int copy = 0; copy < kGaspCopies; ++copy) {
    Message message({compose_arena_.get(), kMaxMessageBytes});
    if (!compose_gasp(slot, claim_epoch, message)) return;
    complete_and_send(message, false, current_);
  }
}

void Engine::fall_silent() noexcept {
  silent_ = true;
  muted_ = true;
}

// Counts only from a node that is of our kind and of exactly the incarnation that we have in mind.
void Engine::receive_gasp(const Peer& peer, const Message& message) noexcept {
  if (!peer.is_normal_other() || !peer.twinbeat || !peer.sequence.heard()) return;
  const auto group = message.text("tb_group");
  const auto epoch = message.hex("tb_epoch");
  const auto digest = message.text("tb_digest");
  if (!group || group->empty() || !epoch || !digest) return reject(RejectReason::kField);
  if (group->size() > kGroupNameMax || digest->size() > kGroupDigestMax) return reject(RejectReason::kField);
  const bool told = publisher_.publish({.type = RecordType::kGasp,
                                        .at = current_.now,
                                        .generation = peer.sequence.generation(),
                                        .previous = *epoch,
                                        .node = peer.name.view(),
                                        .text = *group,
                                        .extra = *digest});
  // What the controller would not understand afterwards is not done before.
  if (told) return takeover_.note_gasp(peer, *group, *epoch, *digest);
  // Nobody repeats last words: they wait here until their record has a place.
  const std::uint64_t generation = peer.sequence.generation();
  HeardGasp* place = nullptr;
  for (HeardGasp& known : heard_gasps_) {
    if (!known.owed) {
      if (place == nullptr) place = &known;
    } else if (known.generation == generation && known.epoch == *epoch && known.group == *group) {
      return;
    }
  }
  if (place == nullptr) return;
  place->owed = true;
  gasps_owed_ = true;
  place->generation = generation;
  place->epoch = *epoch;
  place->node.assign(peer.name.view());
  place->group.assign(*group);
  place->digest.assign(*digest);
}

void Engine::tell_gasps() noexcept {
  if (!gasps_owed_) return;
  for (HeardGasp& gasp : heard_gasps_) {
    if (!gasp.owed) continue;
    gasp.owed = !publisher_.publish({.type = RecordType::kGasp,
                                     .at = current_.now,
                                     .generation = gasp.generation,
                                     .previous = gasp.epoch,
                                     .node = gasp.node.view(),
                                     .text = gasp.group.view(),
                                     .extra = gasp.digest.view()});
    if (gasp.owed) return;
  }
  gasps_owed_ = false;
}

}  // namespace twinbeat
