// MD5 (RFC 1321).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace twinbeat {

struct Md5 {
  static constexpr std::size_t kDigestBytes = 16;
  static constexpr std::size_t kStateWords = 4;
  static constexpr bool kBigEndian = false;
  using Words = std::array<std::uint32_t, kStateWords>;

  static constexpr Words initial() noexcept {
    return {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  }
  static void compress(Words& state, const std::uint8_t* blocks, std::size_t count) noexcept;
};

}  // namespace twinbeat
