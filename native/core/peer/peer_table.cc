#include "core/peer/peer_table.h"

#include <algorithm>

namespace twinbeat {

std::string_view peer_state_name(PeerState state) noexcept {
  switch (state) {
    case PeerState::kNever: return "never";
    case PeerState::kUp: return "up";
    case PeerState::kLate: return "late";
    case PeerState::kDead: return "dead";
  }
  return "never";
}

std::string_view link_state_name(LinkState state) noexcept {
  switch (state) {
    case LinkState::kNever: return "never";
    case LinkState::kUp: return "up";
    case LinkState::kDown: return "down";
  }
  return "never";
}

void Peer::remember(std::uint64_t seq, Micros at, bool is_status) noexcept {
  recent[seq % kRecentMessages] = {seq, at, is_status};
}

const RecentMessage* Peer::recall(std::uint64_t seq) const noexcept {
  const RecentMessage& entry = recent[seq % kRecentMessages];
  return entry.first_at != 0 && entry.seq == seq ? &entry : nullptr;
}

void PeerTable::drop_others(const Setup& setup) noexcept {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < size_; ++i) {
    const Peer& peer = peers_[i];
    const bool node = std::any_of(setup.nodes.begin(), setup.nodes.end(), [&](const NodeSpec& spec) {
      return peer.kind == NodeKind::kNormal && spec.name == peer.name;
    });
    const bool ping = std::any_of(setup.links.begin(), setup.links.end(), [&](const LinkSpec& spec) {
      return peer.kind == NodeKind::kPing && spec.is_ping() && spec.name == peer.name;
    });
    if (!node && !ping) continue;
    if (kept != i) peers_[kept] = peers_[i];
    ++kept;
  }
  size_ = kept;
}

Peer& PeerTable::place(const NodeName& name, NodeKind kind, Micros now) noexcept {
  for (Peer& peer : all()) {
    if (peer.kind == kind && peer.name == name) return peer;
  }
  TB_ASSERT(size_ < kMaxNodes, "more nodes than parse_setup lets through");
  Peer& peer = peers_[size_++];
  peer = Peer{};
  peer.name = name;
  peer.kind = kind;
  peer.watched_since = now;
  return peer;
}

void PeerTable::configure(const Setup& setup, std::span<const std::size_t> link_from,
                          Micros now) noexcept {
  drop_others(setup);
  for (Peer& peer : all()) {
    const std::array<PeerLink, kMaxLinks> before = peer.links;
    peer.links.fill(PeerLink{});
    for (std::size_t i = 0; i < link_from.size(); ++i) {
      if (link_from[i] < kMaxLinks) peer.links[i] = before[link_from[i]];
    }
  }
  for (const NodeSpec& spec : setup.nodes) {
    Peer& peer = place(spec.name, NodeKind::kNormal, now);
    peer.self = spec.name == setup.self_name;
    if (peer.self) {
      peer.has_uuid = true;
      peer.uuid = setup.self_uuid;
    } else if (spec.has_uuid && !peer.has_uuid) {
      peer.has_uuid = true;
      peer.uuid = spec.uuid;
    }
  }
  for (const LinkSpec& spec : setup.links) {
    if (spec.is_ping()) place(NodeName(spec.name.view()), NodeKind::kPing, now);
  }
}

Peer* PeerTable::find(std::string_view name) noexcept {
  for (Peer& peer : all()) {
    if (peer.name == name) return &peer;
  }
  return nullptr;
}

Peer* PeerTable::self() noexcept {
  for (Peer& peer : all()) {
    if (peer.self) return &peer;
  }
  return nullptr;
}

Peer* PeerTable::find_sender(Bytes uuid, std::string_view name) noexcept {
  Peer* by_name = nullptr;
  Peer* by_uuid = nullptr;
  for (Peer& peer : all()) {
    if (peer.kind != NodeKind::kNormal) continue;
    if (peer.name == name) by_name = &peer;
    if (peer.has_uuid && uuid.size() == peer.uuid.size() &&
        std::equal(uuid.begin(), uuid.end(), peer.uuid.begin())) {
      by_uuid = &peer;
    }
  }
  if (by_uuid != nullptr) return by_name == nullptr || by_name == by_uuid ? by_uuid : nullptr;
  // A replaced machine comes with the old name and a new uuid. Our own uuid is never learnt from outside.
  if (by_name != nullptr && !by_name->self && uuid.size() == by_name->uuid.size()) {
    by_name->has_uuid = true;
    std::copy(uuid.begin(), uuid.end(), by_name->uuid.begin());
  }
  return by_name;
}

}  // namespace twinbeat
