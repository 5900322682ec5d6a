// Some of the slots, one bit each: `for (const std::size_t slot : SlotSet(bits))` visits them in their order. Of the many
// slots that there may be few are used, and a cycle that looks at all of them finds most of them outside the cache.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace twinbeat {

class SlotSet {
 public:
  class Iterator {
   public:
    explicit constexpr Iterator(std::uint64_t left) noexcept : left_(left) {}
    [[nodiscard]] constexpr std::size_t operator*() const noexcept {
      return static_cast<std::size_t>(std::countr_zero(left_));
    }
    constexpr Iterator& operator++() noexcept {
      left_ &= left_ - 1;
      return *this;
    }
    [[nodiscard]] constexpr bool operator==(const Iterator&) const noexcept = default;

   private:
    std::uint64_t left_;
  };

  explicit constexpr SlotSet(std::uint64_t bits) noexcept : bits_(bits) {}
  [[nodiscard]] constexpr Iterator begin() const noexcept { return Iterator(bits_); }
  [[nodiscard]] constexpr Iterator end() const noexcept { return Iterator(0); }

 private:
  std::uint64_t bits_;
};

}  // namespace twinbeat
