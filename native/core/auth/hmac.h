// HMAC (RFC 2104) from the two hash states that a key leads to, so that a message costs no
// hashing of the key and the key itself need not be kept.
#pragma once

#include <array>
#include <span>

#include "core/auth/block_hash.h"

namespace twinbeat {

template <typename Algorithm>
class HmacKey {
 public:
  HmacKey() noexcept = default;

  explicit HmacKey(Bytes key) noexcept {
    std::array<std::uint8_t, kBlockBytes> block{};
    if (key.size() > kBlockBytes) {
      Hash<Algorithm> hash;
      hash.update(key);
      const Digest<Algorithm> digest = hash.finish();
      std::memcpy(block.data(), digest.data(), digest.size());
    } else if (!key.empty()) {
      std::memcpy(block.data(), key.data(), key.size());
    }
    inner_ = absorb(block, 0x36);
    outer_ = absorb(block, 0x36 ^ 0x5c);
    wipe_memory(block.data(), block.size());
  }

  [[nodiscard]] Digest<Algorithm> mac(std::span<const Bytes> parts) const noexcept {
    Hash<Algorithm> inner(inner_);
    for (const Bytes part : parts) inner.update(part);
    Hash<Algorithm> outer(outer_);
    const Digest<Algorithm> digest = inner.finish();
    outer.update(digest);
    return outer.finish();
  }

 private:
  // Each byte of `block` is changed by `flip` first; the second call turns the inner pad into
  // the outer one.
  static HashState<Algorithm> absorb(std::array<std::uint8_t, kBlockBytes>& block,
                                     std::uint8_t flip) noexcept {
    for (std::uint8_t& byte : block) byte ^= flip;
    Hash<Algorithm> hash;
    hash.update(block);
    return hash.state();
  }

  HashState<Algorithm> inner_;
  HashState<Algorithm> outer_;
};

}  // namespace twinbeat
