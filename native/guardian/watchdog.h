// The one opener of the watchdog device. It decides nothing: the rule when to pet is judge_petting().
#pragma once

#include "abi/guard_page.h"
#include "core/base/clock.h"

namespace twinbeat::guard {

class Watchdog {
 public:
  // Opens, sets the timeout, reads it back. 0 or an errno; ENOTTY: not a watchdog.
  [[nodiscard]] int open(const char* device, std::uint32_t timeout_s) noexcept;
  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
  // 0 or an errno.
  [[nodiscard]] int pet() noexcept;
  // Clears it, if the device lets itself be cleared: only after a verified clean stop.
  void close_for_good() noexcept;
  // It goes on counting, for the one who opens it next, or to the end.
  void close_armed() noexcept;
  [[nodiscard]] std::uint32_t timeout_s() const noexcept { return timeout_s_; }
  [[nodiscard]] bool nowayout() const noexcept { return nowayout_; }
  [[nodiscard]] Micros interval() const noexcept { return timeout_s_ * kMicrosPerSecond / 4; }

 private:
  int fd_ = -1;
  std::uint32_t timeout_s_ = 0;
  bool nowayout_ = false;
};

}  // namespace twinbeat::guard
