#include "core/auth/md5.h"

#include <bit>
#include <cstring>

namespace twinbeat {

namespace {

constexpr std::array<std::uint32_t, 64> kSines = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

struct Registers {
  std::uint32_t a, b, c, d;
};

// Which function, which word and which shift belong to step I is known at compile time, so all
// 64 steps unroll into straight code.
template <unsigned I>
inline void step(Registers& r, const std::uint32_t* words) noexcept {
  constexpr unsigned kRound = I / 16;
  constexpr unsigned kShifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23},
                                      {6, 10, 15, 21}};
  constexpr unsigned kWord = kRound == 0   ? I
                             : kRound == 1 ? (5 * I + 1) % 16
                             : kRound == 2 ? (3 * I + 5) % 16
                                           : (7 * I) % 16;
  std::uint32_t mixed = 0;
  if constexpr (kRound == 0) mixed = r.d ^ (r.b & (r.c ^ r.d));
  if constexpr (kRound == 1) mixed = r.c ^ (r.d & (r.b ^ r.c));
  if constexpr (kRound == 2) mixed = r.b ^ r.c ^ r.d;
  if constexpr (kRound == 3) mixed = r.c ^ (r.b | ~r.d);
  const std::uint32_t sum = r.a + mixed + kSines[I] + words[kWord];
  r = {r.d, r.b + std::rotl(sum, static_cast<int>(kShifts[kRound][I % 4])), r.b, r.c};
}

template <unsigned I = 0>
inline void steps(Registers& r, const std::uint32_t* words) noexcept {
  if constexpr (I < 64) {
    step<I>(r, words);
    steps<I + 1>(r, words);
  }
}

}  // namespace

void Md5::compress(Words& state, const std::uint8_t* blocks, std::size_t count) noexcept {
  static_assert(std::endian::native == std::endian::little, "words are read as they lie");
  for (; count > 0; --count, blocks += 64) {
    std::uint32_t words[16];
    std::memcpy(words, blocks, sizeof(words));
    Registers r{state[0], state[1], state[2], state[3]};
    steps(r, words);
    state[0] += r.a;
    state[1] += r.b;
    state[2] += r.c;
    state[3] += r.d;
  }
}

}  // namespace twinbeat
