// What MD5, SHA-1 and SHA-256 have in common: 64-byte blocks, padding with the length in bits.
// An algorithm gives kDigestBytes, kStateWords, kBigEndian, initial() and compress().
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/base/bytes.h"

namespace twinbeat {

inline constexpr std::size_t kBlockBytes = 64;

// A memset that the compiler may not drop, for what a key leaves behind.
inline void wipe_memory(void* memory, std::size_t size) noexcept {
  std::memset(memory, 0, size);
  asm volatile("" : : "r"(memory) : "memory");
}

template <typename Algorithm>
struct HashState {
  std::array<std::uint32_t, Algorithm::kStateWords> words = Algorithm::initial();
  std::uint64_t bytes_hashed = 0;  // whole blocks only
};

template <typename Algorithm>
using Digest = std::array<std::uint8_t, Algorithm::kDigestBytes>;

template <typename Algorithm>
class Hash {
 public:
  Hash() noexcept = default;
  explicit Hash(const HashState<Algorithm>& state) noexcept : state_(state) {}
  ~Hash() noexcept {
    wipe_memory(&state_, sizeof(state_));
    wipe_memory(block_.data(), block_.size());
  }
  Hash(const Hash&) = delete;
  Hash& operator=(const Hash&) = delete;

  void update(Bytes data) noexcept {
    if (data.empty()) return;
    if (pending_ > 0) {
      const std::size_t room = kBlockBytes - pending_;
      const std::size_t taken = data.size() < room ? data.size() : room;
      std::memcpy(block_.data() + pending_, data.data(), taken);
      pending_ += taken;
      data = data.subspan(taken);
      if (pending_ < kBlockBytes) return;
      compress(block_.data(), 1);
      pending_ = 0;
    }
    const std::size_t blocks = data.size() / kBlockBytes;
    if (blocks > 0) compress(data.data(), blocks);
    const Bytes left = data.subspan(blocks * kBlockBytes);
    if (!left.empty()) std::memcpy(block_.data(), left.data(), left.size());
    pending_ = left.size();
  }

  // Once; the object is used up.
  [[nodiscard]] Digest<Algorithm> finish() noexcept {
    const std::uint64_t bits = (state_.bytes_hashed + pending_) * 8;
    block_[pending_++] = 0x80;
    if (pending_ > kBlockBytes - 8) {
      std::memset(block_.data() + pending_, 0, kBlockBytes - pending_);
      compress(block_.data(), 1);
      pending_ = 0;
    }
    std::memset(block_.data() + pending_, 0, kBlockBytes - 8 - pending_);
    for (unsigned i = 0; i < 8; ++i) {
      const unsigned shift = 8 * (Algorithm::kBigEndian ? 7 - i : i);
      block_[kBlockBytes - 8 + i] = static_cast<std::uint8_t>(bits >> shift);
    }
    compress(block_.data(), 1);
    Digest<Algorithm> digest;
    for (std::size_t i = 0; i < digest.size(); ++i) {
      const unsigned at = static_cast<unsigned>(i % 4);
      const unsigned shift = 8 * (Algorithm::kBigEndian ? 3 - at : at);
      digest[i] = static_cast<std::uint8_t>(state_.words[i / 4] >> shift);
    }
    return digest;
  }

  // Meaningful at a block boundary: the start state that HMAC keeps.
  [[nodiscard]] const HashState<Algorithm>& state() const noexcept { return state_; }

 private:
  void compress(const std::uint8_t* blocks, std::size_t count) noexcept {
    Algorithm::compress(state_.words, blocks, count);
    state_.bytes_hashed += count * kBlockBytes;
  }

  HashState<Algorithm> state_;
  std::array<std::uint8_t, kBlockBytes> block_;
  std::size_t pending_ = 0;
};

}  // namespace twinbeat
