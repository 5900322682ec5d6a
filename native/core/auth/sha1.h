// SHA-1 (FIPS 180-4).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace twinbeat {

struct Sha1 {
  static constexpr std::size_t kDigestBytes = 20;
  static constexpr std::size_t kStateWords = 5;
  static constexpr bool kBigEndian = true;
  using Words = std::array<std::uint32_t, kStateWords>;

  static constexpr Words initial() noexcept {
    return {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  }
  // With the CPU's own instructions where it has them.
  static void compress(Words& state, const std::uint8_t* blocks, std::size_t count) noexcept;
  static void compress_portable(Words& state, const std::uint8_t* blocks,
                                std::size_t count) noexcept;
};

}  // namespace twinbeat
