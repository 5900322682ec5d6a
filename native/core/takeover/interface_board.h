// What the netlink thread knows of the interfaces that carry addresses, for those who judge whether a plan may go off.
// A place is given to a name once and for all; its word tells whether the interface is there, up and connected, and a
// number that changes whenever it becomes another one (recreated, or another MAC).
//
// Controller: place_of. Netlink thread: name, update. Any thread: word.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "core/net/steps.h"

namespace twinbeat {

inline constexpr std::size_t kInterfacePlaces = 128;

struct InterfaceWord {
  std::uint32_t identity = 0;  // 0: not looked at yet
  bool present = false;
  bool up = false;
  bool carrier = false;

  [[nodiscard]] constexpr std::uint64_t pack() const noexcept {
    return std::uint64_t{identity} << 8 | (present ? 1U : 0U) | (up ? 2U : 0U) | (carrier ? 4U : 0U);
  }
  [[nodiscard]] static constexpr InterfaceWord unpack(std::uint64_t word) noexcept {
    return {static_cast<std::uint32_t>(word >> 8), (word & 1) != 0, (word & 2) != 0, (word & 4) != 0};
  }
  [[nodiscard]] constexpr bool carries() const noexcept { return present && up && carrier; }
};

class InterfaceBoard {
 public:
  // The place of that name, made if it is new; nothing when the name is too long or all places are taken.
  [[nodiscard]] std::optional<std::uint16_t> place_of(std::string_view name) noexcept {
    if (name.empty() || name.size() >= net::kInterfaceNameBytes) return std::nullopt;
    const std::size_t count = count_.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < count; ++i) {
      if (name == std::string_view(names_[i].data())) return static_cast<std::uint16_t>(i);
    }
    if (count == kInterfacePlaces) return std::nullopt;
    std::memcpy(names_[count].data(), name.data(), name.size());
    count_.store(count + 1, std::memory_order_release);
    return static_cast<std::uint16_t>(count);
  }

  [[nodiscard]] std::size_t size() const noexcept { return count_.load(std::memory_order_acquire); }
  [[nodiscard]] const char* name(std::size_t place) const noexcept { return names_[place].data(); }

  [[nodiscard]] InterfaceWord word(std::size_t place) const noexcept {
    return InterfaceWord::unpack(words_[place].load(std::memory_order_acquire));
  }
  void update(std::size_t place, const InterfaceWord& word) noexcept {
    words_[place].store(word.pack(), std::memory_order_release);
  }

 private:
  std::array<std::array<char, net::kInterfaceNameBytes>, kInterfacePlaces> names_{};
  std::array<std::atomic<std::uint64_t>, kInterfacePlaces> words_{};
  std::atomic<std::size_t> count_{0};
};

}  // namespace twinbeat
