// Services that end with the daemon: the processes of the control groups (version 2) that the daemon named. A group has
// ended when its folder was there and could be removed: then nothing is in it, and nothing can enter it any more, also
// not what a starter of processes still has in its queue. Nothing is allocated.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "abi/guard_page.h"
#include "core/guard/page_reader.h"

namespace twinbeat::guard {

inline constexpr std::size_t kFolderBytes = 768;

class Killer {
 public:
  // Named again: the new folder counts. False: too long, not absolute, or too many.
  [[nodiscard]] bool add(std::string_view group, std::string_view folder) noexcept;
  void spare(std::string_view group) noexcept;

  // SIGKILL to everything in every folder, also to what forks meanwhile.
  void strike() noexcept;
  // Removes the folders of what has ended. False: something is left.
  [[nodiscard]] bool sweep() noexcept;
  // Groups of the plan whose folder was there and is gone.
  [[nodiscard]] std::bitset<kGroupsMax> ended(const Plan& plan) const noexcept;
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

 private:
  enum class State : std::uint8_t { kUntouched, kStruck, kEnded, kAbsent };
  struct Target {
    std::array<char, kGroupNameBytes> group{};
    std::array<char, kFolderBytes> folder{};
    State state = State::kUntouched;
  };

  [[nodiscard]] Target* find(std::string_view group) noexcept;

  std::array<Target, kGroupsMax> targets_{};
  std::size_t count_ = 0;
};

}  // namespace twinbeat::guard
