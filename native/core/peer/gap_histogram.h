// How long the silences between heartbeats were, in classes that grow with the time: four to each doubling, so that the
// tail can be judged without keeping a single gap. Fixed size, no allocation. Engine thread only.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>

#include "core/base/clock.h"

namespace twinbeat {

class GapHistogram {
 public:
  static constexpr std::size_t kClasses = 64;
  // Shorter ones share the first class; those of more than 8.3 s the last.
  static constexpr Micros kLeast = 128;

  void add(Micros gap) noexcept {
    std::uint32_t& count = counts_[class_of(gap)];
    if (count != UINT32_MAX) ++count;
    max_ = std::max(max_, gap);
  }
  void clear() noexcept { *this = GapHistogram(); }

  [[nodiscard]] std::span<const std::uint32_t> counts() const noexcept { return counts_; }
  [[nodiscard]] Micros max() const noexcept { return max_; }

  // The shortest gap of that class, but for the first one.
  [[nodiscard]] static constexpr Micros least_of(std::size_t index) noexcept {
    return static_cast<Micros>(kPerDoubling + index % kPerDoubling) << (index / kPerDoubling + kLeastBits - kPerDoublingBits);
  }

 private:
  static constexpr std::size_t kPerDoublingBits = 2;
  static constexpr std::size_t kPerDoubling = 1 << kPerDoublingBits;
  static constexpr std::size_t kLeastBits = 7;
  static_assert(kLeast == Micros{1} << kLeastBits);

  [[nodiscard]] static std::size_t class_of(Micros gap) noexcept {
    if (gap < kLeast) return 0;
    const auto value = static_cast<std::uint64_t>(gap);
    const std::size_t top = static_cast<std::size_t>(std::bit_width(value)) - 1;
    const std::size_t part = (value >> (top - kPerDoublingBits)) & (kPerDoubling - 1);
    return std::min(kClasses - 1, (top - kLeastBits) * kPerDoubling + part);
  }

  std::array<std::uint32_t, kClasses> counts_{};
  Micros max_ = 0;
};

}  // namespace twinbeat
