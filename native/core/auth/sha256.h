// SHA-256 (FIPS 180-4).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace twinbeat {

struct Sha256 {
  static constexpr std::size_t kDigestBytes = 32;
  static constexpr std::size_t kStateWords = 8;
  static constexpr bool kBigEndian = true;
  using Words = std::array<std::uint32_t, kStateWords>;

  static constexpr Words initial() noexcept {
    return {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
            0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  }
  // With the CPU's own instructions where it has them.
  static void compress(Words& state, const std::uint8_t* blocks, std::size_t count) noexcept;
  static void compress_portable(Words& state, const std::uint8_t* blocks,
                                std::size_t count) noexcept;
};

}  // namespace twinbeat
