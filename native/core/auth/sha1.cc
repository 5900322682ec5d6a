#include "core/auth/sha1.h"

#include <bit>

#include "core/auth/cpu_sha.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace twinbeat {

namespace {

std::uint32_t load_big_endian(const std::uint8_t* at) noexcept {
  return static_cast<std::uint32_t>(at[0]) << 24 | static_cast<std::uint32_t>(at[1]) << 16 |
         static_cast<std::uint32_t>(at[2]) << 8 | static_cast<std::uint32_t>(at[3]);
}

#if defined(__x86_64__)

struct Lanes {
  __m128i abcd;
  __m128i before;  // abcd as it was before the last four rounds: the next e comes from its a
};

// Four rounds; Group chooses the function and the constant of rounds 0-19, 20-39, 40-59, 60-79.
template <int Group>
__attribute__((target("sha,ssse3,sse4.1"))) inline void four_rounds(Lanes& lanes,
                                                                    __m128i words) noexcept {
  const __m128i e = _mm_sha1nexte_epu32(lanes.before, words);
  lanes.before = lanes.abcd;
  lanes.abcd = _mm_sha1rnds4_epu32(lanes.abcd, e, Group);
}

__attribute__((target("sha,ssse3,sse4.1"))) void compress_sha(Sha1::Words& state,
                                                              const std::uint8_t* blocks,
                                                              std::size_t count) noexcept {
  const __m128i swap = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
  __m128i abcd = _mm_loadu_si128(reinterpret_cast<const __m128i*>(state.data()));
  abcd = _mm_shuffle_epi32(abcd, 0x1b);
  __m128i e0 = _mm_set_epi32(static_cast<int>(state[4]), 0, 0, 0);
  for (; count > 0; --count, blocks += 64) {
    __m128i w[20];
    for (int i = 0; i < 4; ++i) {
      const auto* at = reinterpret_cast<const __m128i*>(blocks + 16 * i);
      w[i] = _mm_shuffle_epi8(_mm_loadu_si128(at), swap);
    }
    for (int i = 4; i < 20; ++i) {
      const __m128i mixed = _mm_xor_si128(_mm_sha1msg1_epu32(w[i - 4], w[i - 3]), w[i - 2]);
      w[i] = _mm_sha1msg2_epu32(mixed, w[i - 1]);
    }
    // The first e is given, not derived.
    Lanes lanes{_mm_sha1rnds4_epu32(abcd, _mm_add_epi32(e0, w[0]), 0), abcd};
    for (int i = 1; i < 5; ++i) four_rounds<0>(lanes, w[i]);
    for (int i = 5; i < 10; ++i) four_rounds<1>(lanes, w[i]);
    for (int i = 10; i < 15; ++i) four_rounds<2>(lanes, w[i]);
    for (int i = 15; i < 20; ++i) four_rounds<3>(lanes, w[i]);
    e0 = _mm_sha1nexte_epu32(lanes.before, e0);
    abcd = _mm_add_epi32(lanes.abcd, abcd);
  }
  abcd = _mm_shuffle_epi32(abcd, 0x1b);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state.data()), abcd);
  state[4] = static_cast<std::uint32_t>(_mm_extract_epi32(e0, 3));
}

#endif

const bool kCpuHasSha = cpu_has_sha();

}  // namespace

void Sha1::compress_portable(Words& state, const std::uint8_t* blocks,
                             std::size_t count) noexcept {
  for (; count > 0; --count, blocks += 64) {
    std::uint32_t w[80];
    for (unsigned i = 0; i < 16; ++i) w[i] = load_big_endian(blocks + 4 * i);
    for (unsigned i = 16; i < 80; ++i) {
      w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    }
    auto [a, b, c, d, e] = state;
    for (unsigned i = 0; i < 80; ++i) {
      std::uint32_t mixed = 0;
      if (i < 20) {
        mixed = (d ^ (b & (c ^ d))) + 0x5a827999;
      } else if (i < 40) {
        mixed = (b ^ c ^ d) + 0x6ed9eba1;
      } else if (i < 60) {
        mixed = ((b & c) | (d & (b | c))) + 0x8f1bbcdc;
      } else {
        mixed = (b ^ c ^ d) + 0xca62c1d6;
      }
      const std::uint32_t sum = std::rotl(a, 5) + mixed + e + w[i];
      e = d;
      d = c;
      c = std::rotl(b, 30);
      b = a;
      a = sum;
    }
    state = {state[0] + a, state[1] + b, state[2] + c, state[3] + d, state[4] + e};
  }
}

void Sha1::compress(Words& state, const std::uint8_t* blocks, std::size_t count) noexcept {
#if defined(__x86_64__)
  if (kCpuHasSha) {
    compress_sha(state, blocks, count);
    return;
  }
#endif
  compress_portable(state, blocks, count);
}

}  // namespace twinbeat
