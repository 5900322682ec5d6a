// The nodes that this node knows: the configured ones and the ping nodes. Who sent a message is decided by uuid first,
// then by name; a node that is neither is nobody. Engine thread only.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "abi/abi.h"
#include "core/base/clock.h"
#include "core/base/fixed_vector.h"
#include "core/engine/setup.h"
#include "core/peer/fixed_text.h"
#include "core/peer/gap_histogram.h"
#include "core/peer/sequence.h"

namespace twinbeat {

enum class NodeKind : std::uint8_t { kNormal, kPing };
enum class PeerState : std::uint8_t { kNever, kUp, kLate, kDead };
enum class LinkState : std::uint8_t { kNever, kUp, kDown };

[[nodiscard]] std::string_view peer_state_name(PeerState state) noexcept;
[[nodiscard]] std::string_view link_state_name(LinkState state) noexcept;

// One peer as heard on one link.
struct PeerLink {
  LinkState state = LinkState::kNever;
  Micros heard_at = 0;   // any fresh packet: says that the link carries
  Micros status_at = 0;  // any fresh status: says that the peer lives
  Micros gap_from = 0;   // the last status of this conversation
};

// The first copy of a recent message, so that its copies on slower links can be told from a replay.
struct RecentMessage {
  std::uint64_t seq = 0;
  Micros first_at = 0;
  bool is_status = false;
};
inline constexpr std::size_t kRecentMessages = 64;

struct Peer {
  NodeName name;
  NodeKind kind = NodeKind::kNormal;
  bool self = false;
  bool has_uuid = false;
  Uuid uuid{};

  PeerState state = PeerState::kNever;
  FixedText<31> status{"init"};
  Micros announced_us = 0;  // its own dead time as it last said
  bool twinbeat = false;
  FixedText<63> twinbeat_value;
  bool waits = false;  // of our kind, and knows what a node says that stands
  FixedText<63> load;
  Micros lateness_us = 0;       // its own, as it last said
  Micros lateness_most_us = 0;  // the worst that this life of it has said

  Micros watched_since = 0;  // silence of a peer never heard counts from here
  Micros status_at = 0;
  Micros heard_at = 0;
  Micros dead_since = 0;       // when it was judged dead
  Micros dead_due = 0;         // when its dead time had passed
  Micros not_dead_before = 0;  // our own pauses are not its silence
  Micros excused_at = 0;       // when that was last said
  std::uint64_t stand_stamp = 0;  // of the last time it asked us to wait
  Micros waits_until = 0;         // it does not hold us for dead before, as it last answered
  std::array<PeerLink, kMaxLinks> links{};
  GapHistogram gaps;    // between statuses, whichever link brought them first
  Micros gap_from = 0;  // the last status of this conversation

  SequenceTracker sequence;
  std::array<RecentMessage, kRecentMessages> recent{};
  std::uint64_t status_seq = 0;    // of the last status whose content was taken
  std::uint64_t acknowledged = 0;  // highest of our sequence numbers that it acknowledged
  std::uint64_t ack_base = 0;      // our sequence number when it appeared: older ones are not its business
  std::uint8_t ack_trigger = 0;
  bool wants_acks = true;  // a status without `protocol` ends acknowledgements for good

  [[nodiscard]] bool is_normal_other() const noexcept { return kind == NodeKind::kNormal && !self; }
  [[nodiscard]] bool is_live() const noexcept {
    return state == PeerState::kUp || state == PeerState::kLate;
  }
  // A real node asks nothing of a node that is neither up nor active.
  [[nodiscard]] bool may_be_asked() const noexcept {
    return is_live() && kind == NodeKind::kNormal && (status == "up" || status == "active");
  }
  void remember(std::uint64_t seq, Micros at, bool is_status) noexcept;
  // The first copy of that message, or nullptr.
  [[nodiscard]] const RecentMessage* recall(std::uint64_t seq) const noexcept;
};

class PeerTable {
 public:
  // Takes the nodes and ping nodes of a new setup; those that stay keep what is known of them. `link_from[i]` is the
  // place that link i had before, or kMaxLinks for a new one.
  void configure(const Setup& setup, std::span<const std::size_t> link_from, Micros now) noexcept;

  // The sender by uuid, then by name; nullptr for an unknown one. A uuid learnt by name is kept from then on. A known
  // uuid under the name of another configured node is nobody: two machines would share one identity.
  [[nodiscard]] Peer* find_sender(Bytes uuid, std::string_view name) noexcept;
  [[nodiscard]] Peer* find(std::string_view name) noexcept;
  [[nodiscard]] Peer* self() noexcept;

  [[nodiscard]] std::span<Peer> all() noexcept { return {peers_.data(), size_}; }
  [[nodiscard]] std::span<const Peer> all() const noexcept { return {peers_.data(), size_}; }

 private:
  Peer& place(const NodeName& name, NodeKind kind, Micros now) noexcept;
  void drop_others(const Setup& setup) noexcept;

  std::array<Peer, kMaxNodes> peers_{};
  std::size_t size_ = 0;
};

}  // namespace twinbeat
