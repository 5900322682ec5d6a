// The one opener of the watchdog device. It decides nothing: the rule when to pet is judge_petting().
#pragma once

#include "abi/guard_page.h"
#include "core/base/clock.h"

namespace twinbeat::guard {

// Of devices: ioctl(2) with a number. Tests are drivers of their own.
using DeviceCall = int (*)(int fd, unsigned long request, int* value);
[[nodiscard]] int call_device(int fd, unsigned long request, int* value) noexcept;

class Watchdog {
 public:
  explicit Watchdog(DeviceCall call = &call_device) noexcept : call_(call) {}

  // Opens, sets the timeout, reads it back. 0 or an errno; ENOTTY: not a watchdog.
  [[nodiscard]] int open(const char* device, std::uint32_t timeout_s) noexcept;
  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
  // 0 or an errno.
  [[nodiscard]] int pet() noexcept;
  // The least time that the device takes, and one pet with which it begins: the machine is reset when that has passed.
  // 0 or an errno; ERANGE: it has no shorter time than it had, and is not petted.
  [[nodiscard]] int hurry() noexcept;
  // Clears it, if the device lets itself be cleared: only after a verified clean stop.
  void close_for_good() noexcept;
  // It goes on counting, for the one who opens it next, or to the end.
  void close_armed() noexcept;
  [[nodiscard]] std::uint32_t timeout_s() const noexcept { return timeout_s_; }
  [[nodiscard]] bool nowayout() const noexcept { return nowayout_; }
  [[nodiscard]] Micros interval() const noexcept { return timeout_s_ * kMicrosPerSecond / 4; }

 private:
  DeviceCall call_;
  int fd_ = -1;
  std::uint32_t timeout_s_ = 0;
  bool nowayout_ = false;
};

}  // namespace twinbeat::guard
