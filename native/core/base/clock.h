// Time of the core: microseconds of CLOCK_BOOTTIME, which also counts while the machine sleeps.
// Only the runner and the addon read the clock; everything else gets `now` as an argument.
#pragma once

#include <cstdint>
#include <ctime>

namespace twinbeat {

using Micros = std::int64_t;

inline constexpr Micros kMicrosPerMilli = 1000;
inline constexpr Micros kMicrosPerSecond = 1000 * 1000;

[[nodiscard]] inline Micros boottime_now() noexcept {
  timespec at{};
  clock_gettime(CLOCK_BOOTTIME, &at);
  return static_cast<Micros>(at.tv_sec) * kMicrosPerSecond + at.tv_nsec / 1000;
}

}  // namespace twinbeat
