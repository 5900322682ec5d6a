// The sender's and the receiver's half of the reliable multicast, apart from acceptance (sequence.h): the history of
// what we sent, and when to ask for what we miss. Pure; engine thread only.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "core/base/bytes.h"
#include "core/base/clock.h"
#include "core/peer/peer_table.h"
#include "core/peer/prng.h"

namespace twinbeat {

inline constexpr std::size_t kHistoryMessages = 500;       // as a real node keeps
inline constexpr std::size_t kHistoryBytes = 512 * 1024;   // 500 statuses fill 150 KiB, the rest is for long messages
inline constexpr std::uint64_t kRexmitPerRequest = 50;

enum class HistoryAnswer : std::uint8_t { kFound, kTooSoon, kTooOld, kNotFound, kNotSentYet };

// Our last messages as unsigned netstring bodies, by sequence number. Old ones fall out when numbers or bytes run out.
class History {
 public:
  History();

  // A new conversation: nothing before it can be asked for.
  void clear() noexcept;
  // Sequence numbers come without gaps, ascending. Status::kTooLong: kept as a number that cannot be resent.
  void keep(std::uint64_t seq, Bytes body) noexcept;

  // What is kept under `seq`; kTooSoon when it was resent less than `not_again_within` ago. kFound marks it as resent.
  [[nodiscard]] HistoryAnswer find(std::uint64_t seq, Micros now, Micros not_again_within, Bytes& body) noexcept;

  [[nodiscard]] Bytes memory() const noexcept { return {bytes_.get(), kHistoryBytes}; }
  [[nodiscard]] std::uint64_t highest() const noexcept { return highest_; }
  [[nodiscard]] std::size_t size() const noexcept;

 private:
  struct Entry {
    std::uint64_t seq = 0;
    std::uint64_t start = 0;  // running offset into the byte ring
    std::size_t size = 0;
    Micros resent_at = 0;
  };

  std::array<Entry, kHistoryMessages> entries_{};
  std::unique_ptr<std::uint8_t[]> bytes_;
  std::uint64_t write_at_ = 0;  // running offset; a body never wraps
  std::uint64_t highest_ = 0;
  std::uint64_t lowest_ = 1;
};

// When a missing number is asked for the first time: not at once, because copies on other links and messages that
// overtook each other arrive within moments.
[[nodiscard]] Micros first_request_delay(Micros rexmit_delay, Prng& prng) noexcept;
void plan_requests(std::span<MissingEntry> missing, Micros now, Micros rexmit_delay, Prng& prng) noexcept;
// The earliest planned request, kNever if none.
[[nodiscard]] Micros next_request(std::span<const MissingEntry> missing) noexcept;
// An accepted in-sequence message is acknowledged about once in ten, at a number of the receiver's choice.
[[nodiscard]] bool should_acknowledge(const Peer& peer, std::uint64_t seq, SequenceVerdict verdict) noexcept;

}  // namespace twinbeat
