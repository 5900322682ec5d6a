#include "core/peer/sequence.h"

#include "core/base/assert.h"

namespace twinbeat {

SequenceResult SequenceTracker::judge(const SequenceInput& input) noexcept {
  if (has_generation_ && input.generation < generation_) {
    return {SequenceVerdict::kOldGeneration, ConversationEvent::kNone, 0};
  }
  if (!has_generation_) {
    // Whatever is heard first sets the floor, so that even a conversation joined in its middle
    // refuses older generations.
    has_generation_ = true;
    generation_ = input.generation;
  }
  // Only a status begins a life. Else whoever reads the message would hold a sender for alive whose life and death
  // nobody here watches.
  if (!input.is_status && input.generation > generation_) {
    return {SequenceVerdict::kUnheardLife, ConversationEvent::kNone, 0};
  }
  ConversationEvent event = ConversationEvent::kNone;
  if (input.is_status && input.generation > generation_) {
    event = ConversationEvent::kRestarted;
    generation_ = input.generation;
    has_last_ = false;
    status_seq_ = 0;
    missing_.clear();
  } else if (input.is_status && input.peer_is_dead && status_seq_ > 0) {
    // Only a sender whose status was heard before can return. A late copy of what was heard
    // before the death is no sign of life.
    if (input.seq <= status_seq_) {
      return {SequenceVerdict::kReplay, ConversationEvent::kNone, 0};
    }
    event = ConversationEvent::kReturned;
  }
  const SequenceResult result = track(input.seq, event);
  if (result.accepted() && input.is_status && input.seq > status_seq_) status_seq_ = input.seq;
  return result;
}

SequenceResult SequenceTracker::track(std::uint64_t seq, ConversationEvent event) noexcept {
  if (!has_last_) {
    start_at(seq);
    return {SequenceVerdict::kAccepted, event, 0};
  }
  if (seq == last_) return {SequenceVerdict::kDuplicate, event, 0};
  if (event == ConversationEvent::kReturned && seq > last_) {
    // What was said while we held the sender for dead was said in another view: a real node asks for
    // none of it, and it answers what it is made to repeat as if it were news.
    start_at(seq);
    return {SequenceVerdict::kAccepted, event, 0};
  }
  if (seq > last_) {
    if (seq - last_ > 1) return open_gap(seq, event);
    last_ = seq;
    return {SequenceVerdict::kAccepted, event, 0};
  }
  const std::size_t index = find_missing(seq);
  if (index < missing_.size()) {
    missing_.erase(index);
    return {SequenceVerdict::kAcceptedMissing, event, 0};
  }
  if (event == ConversationEvent::kNone) return {SequenceVerdict::kReplay, event, 0};
  start_at(seq);
  return {SequenceVerdict::kAcceptedRewind, event, 0};
}

SequenceResult SequenceTracker::open_gap(std::uint64_t seq, ConversationEvent event) noexcept {
  const std::uint64_t lost = seq - last_ - 1;
  if (lost > kMaxGap || missing_.size() + lost > kMaxMissing) {
    start_at(seq);
    return {SequenceVerdict::kAcceptedReset, event, 0};
  }
  for (std::uint64_t number = last_ + 1; number < seq; ++number) {
    const Status status = missing_.push_back({number, 0});
    TB_ASSERT(status == Status::kOk, "room for the gap was checked");
  }
  last_ = seq;
  return {SequenceVerdict::kAcceptedGap, event, static_cast<std::size_t>(lost)};
}

void SequenceTracker::start_at(std::uint64_t seq) noexcept {
  has_last_ = true;
  last_ = seq;
  missing_.clear();
}

std::size_t SequenceTracker::find_missing(std::uint64_t seq) const noexcept {
  std::size_t low = 0;
  std::size_t high = missing_.size();
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (missing_[middle].seq < seq) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < missing_.size() && missing_[low].seq == seq ? low : missing_.size();
}

void SequenceTracker::forget(std::uint64_t seq) noexcept {
  const std::size_t index = find_missing(seq);
  if (index < missing_.size()) missing_.erase(index);
}

}  // namespace twinbeat
