// Seeded random numbers for delays and triggers; nothing secret depends on them.
#pragma once

#include <cstdint>

namespace twinbeat {

class Prng {
 public:
  explicit Prng(std::uint64_t seed) noexcept : state_(seed ^ 0x9e3779b97f4a7c15ULL) {}

  std::uint64_t next() noexcept {  // splitmix64
    state_ += 0x9e3779b97f4a7c15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }

  // 0 <= result < bound; the small bias does not matter here.
  std::uint64_t below(std::uint64_t bound) noexcept { return bound == 0 ? 0 : next() % bound; }

 private:
  std::uint64_t state_;
};

}  // namespace twinbeat
