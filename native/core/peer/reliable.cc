#include "core/peer/reliable.h"

#include <algorithm>
#include <cstring>

#include "core/peer/detector.h"

namespace twinbeat {

History::History() : bytes_(new std::uint8_t[kHistoryBytes]()) {}

void History::clear() noexcept {
  entries_.fill(Entry{});
  write_at_ = 0;
  highest_ = 0;
  lowest_ = 1;
}

void History::keep(std::uint64_t seq, Bytes body) noexcept {
  if (highest_ == 0) lowest_ = seq;
  highest_ = seq;
  if (seq >= lowest_ + kHistoryMessages) lowest_ = seq - kHistoryMessages + 1;
  Entry& entry = entries_[seq % kHistoryMessages];
  entry = Entry{seq, 0, 0, 0};
  if (body.size() > kHistoryBytes / 4) return;  // cannot be resent, and must not push everything else out
  const std::size_t room = kHistoryBytes - write_at_ % kHistoryBytes;
  if (room < body.size()) write_at_ += room;
  entry.start = write_at_;
  entry.size = body.size();
  if (!body.empty()) std::memcpy(&bytes_[entry.start % kHistoryBytes], body.data(), body.size());
  write_at_ += body.size();
}

std::size_t History::size() const noexcept {
  return highest_ == 0 ? 0 : static_cast<std::size_t>(highest_ - lowest_ + 1);
}

HistoryAnswer History::find(std::uint64_t seq, Micros now, Micros not_again_within,
                            Bytes& body) noexcept {
  if (seq > highest_) return HistoryAnswer::kNotSentYet;
  if (seq < lowest_) return HistoryAnswer::kTooOld;
  Entry& entry = entries_[seq % kHistoryMessages];
  const bool overwritten = write_at_ - entry.start > kHistoryBytes;
  if (entry.seq != seq || entry.size == 0 || overwritten) return HistoryAnswer::kNotFound;
  if (entry.resent_at != 0 && now - entry.resent_at < not_again_within) return HistoryAnswer::kTooSoon;
  entry.resent_at = now;
  body = {&bytes_[entry.start % kHistoryBytes], entry.size};
  return HistoryAnswer::kFound;
}

Micros first_request_delay(Micros rexmit_delay, Prng& prng) noexcept {
  constexpr Micros kLeast = 50 * kMicrosPerMilli;
  constexpr Micros kMost = 250 * kMicrosPerMilli;
  const Micros least = rexmit_delay >= 100 * kMicrosPerMilli ? kLeast : 0;
  return least + static_cast<Micros>(prng.below(static_cast<std::uint64_t>(kMost - least)));
}

void plan_requests(std::span<MissingEntry> missing, Micros now, Micros rexmit_delay,
                   Prng& prng) noexcept {
  for (MissingEntry& entry : missing) {
    if (entry.request_at == 0) entry.request_at = now + first_request_delay(rexmit_delay, prng);
  }
}

Micros next_request(std::span<const MissingEntry> missing) noexcept {
  Micros next = kNever;
  for (const MissingEntry& entry : missing) {
    if (entry.request_at != 0) next = std::min(next, entry.request_at);
  }
  return next;
}

bool should_acknowledge(const Peer& peer, std::uint64_t seq, SequenceVerdict verdict) noexcept {
  return peer.wants_acks && verdict == SequenceVerdict::kAccepted && peer.sequence.missing().empty() &&
         seq % 10 == peer.ack_trigger;
}

}  // namespace twinbeat
