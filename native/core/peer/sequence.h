// Generation and sequence of one sender: which of its sequenced messages are new. Pure: no clock,
// no allocation, no knowledge of nodes. One tracker per sender, used by one thread.
//
//   SequenceResult r = tracker.judge({generation, seq, is_status, peer_is_dead});
//   if (!r.accepted()) -> drop; r.verdict says why. kDuplicate still proves that the link is up,
//                         kReplay and kOldGeneration prove nothing.
//   if (r.event == kRestarted) -> a new life of the peer: its resources are unknown again.
//   if (r.event == kReturned)  -> same generation after we declared it dead: a partition healed.
//   for (MissingEntry& m : tracker.missing()) -> ask for m.seq when m.request_at is due; the
//                         owner sets request_at (0 = not planned yet). forget(seq) after a NAK.
//
// Acceptance is not ordered: a gap is remembered and the message behind it accepted at once,
// because real nodes emit out of order whenever handling a message makes them send another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/base/clock.h"
#include "core/base/fixed_vector.h"

namespace twinbeat {

// The sender keeps its last 500 messages, so asking for older ones is pointless.
inline constexpr std::size_t kMaxMissing = 500;
// A real node gives up a gap of more than this and starts afresh.
inline constexpr std::uint64_t kMaxGap = 250;

enum class SequenceVerdict : std::uint8_t {
  kAccepted,        // first, or last + 1
  kAcceptedGap,     // newer with a gap before it, which is now in missing()
  kAcceptedReset,   // newer with a gap too big to fill: tracking starts afresh here
  kAcceptedMissing, // older, filled a hole
  kAcceptedRewind,  // older, but a healed partition allows to start afresh here
  kDuplicate,       // the last one again
  kReplay,          // older and not missing
  kOldGeneration,   // from a former life of the sender
  kUnheardLife,     // from a newer one that no status has told of: as good as lost
};

enum class ConversationEvent : std::uint8_t { kNone, kRestarted, kReturned };

struct SequenceInput {
  std::uint64_t generation = 0;
  std::uint64_t seq = 0;
  bool is_status = false;     // t=status: only these move the generation forward
  bool peer_is_dead = false;  // we have declared this sender dead
};

struct MissingEntry {
  std::uint64_t seq = 0;
  Micros request_at = 0;  // for the owner
};

struct SequenceResult {
  SequenceVerdict verdict = SequenceVerdict::kReplay;
  ConversationEvent event = ConversationEvent::kNone;
  std::size_t newly_missing = 0;  // entries added at the end of missing()

  [[nodiscard]] bool accepted() const noexcept {
    return verdict != SequenceVerdict::kDuplicate && verdict != SequenceVerdict::kReplay &&
           verdict != SequenceVerdict::kOldGeneration && verdict != SequenceVerdict::kUnheardLife;
  }
};

class SequenceTracker {
 public:
  [[nodiscard]] SequenceResult judge(const SequenceInput& input) noexcept;

  // Ascending by seq.
  [[nodiscard]] std::span<MissingEntry> missing() noexcept { return missing_.span(); }
  [[nodiscard]] std::span<const MissingEntry> missing() const noexcept { return missing_.span(); }
  // The sender cannot resend it.
  void forget(std::uint64_t seq) noexcept;

  [[nodiscard]] bool heard() const noexcept { return has_generation_; }
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
  [[nodiscard]] bool has_last() const noexcept { return has_last_; }
  [[nodiscard]] std::uint64_t last() const noexcept { return last_; }
  // Everything of this sender is forgotten, as before its first message.
  void reset() noexcept { *this = SequenceTracker(); }

 private:
  SequenceResult track(std::uint64_t seq, ConversationEvent event) noexcept;
  SequenceResult open_gap(std::uint64_t seq, ConversationEvent event) noexcept;
  void start_at(std::uint64_t seq) noexcept;
  // Index of seq in missing_, or its size.
  [[nodiscard]] std::size_t find_missing(std::uint64_t seq) const noexcept;

  bool has_generation_ = false;
  bool has_last_ = false;
  std::uint64_t generation_ = 0;
  std::uint64_t last_ = 0;
  std::uint64_t status_seq_ = 0;
  FixedVector<MissingEntry, kMaxMissing> missing_;
};

}  // namespace twinbeat
