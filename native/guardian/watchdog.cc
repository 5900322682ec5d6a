#include "guardian/watchdog.h"

#include <fcntl.h>
#include <linux/watchdog.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace twinbeat::guard {

namespace {

constexpr unsigned kMiscMajor = 10;
constexpr unsigned kWatchdogMinor = 130;  // /dev/watchdog, another name of watchdog0

bool read_nowayout(int fd) noexcept {
  struct stat info{};
  if (::fstat(fd, &info) != 0) return false;
  char path[96] = "/sys/class/watchdog/watchdog0/nowayout";
  if (major(info.st_rdev) != kMiscMajor || minor(info.st_rdev) != kWatchdogMinor) {
    std::snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/nowayout", major(info.st_rdev), minor(info.st_rdev));
  }
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  char digit = '0';
  const bool read = ::read(file, &digit, 1) == 1;
  ::close(file);
  return read && digit == '1';
}

}  // namespace

int call_device(int fd, unsigned long request, int* value) noexcept { return ::ioctl(fd, request, value); }

int Watchdog::open(const char* device, std::uint32_t timeout_s) noexcept {
  close_armed();
  // Not waiting: a pipe without a reader would hold us here for ever.
  const int fd = ::open(device, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return errno;
  auto timeout = static_cast<int>(timeout_s);
  int error = 0;
  if (call_(fd, WDIOC_SETTIMEOUT, &timeout) != 0) error = errno;
  // A device with a fixed timeout refuses; what it has is read back and judged by the caller.
  if (error == EOPNOTSUPP || error == ENOTTY) error = 0;
  if (error == 0 && call_(fd, WDIOC_GETTIMEOUT, &timeout) != 0) error = errno;
  if (error != 0 || timeout <= 0) {
    ::close(fd);
    return error != 0 ? error : EINVAL;
  }
  fd_ = fd;
  timeout_s_ = static_cast<std::uint32_t>(timeout);
  nowayout_ = read_nowayout(fd);
  return pet();
}

int Watchdog::pet() noexcept {
  if (fd_ < 0) return EBADF;
  int unused = 0;
  return call_(fd_, WDIOC_KEEPALIVE, &unused) == 0 ? 0 : errno;
}

int Watchdog::hurry() noexcept {
  if (fd_ < 0) return EBADF;
  const auto before = static_cast<int>(timeout_s_);
  int taken = 0;
  for (int least = 1; least < before && taken == 0; ++least) {
    int timeout = least;
    if (call_(fd_, WDIOC_SETTIMEOUT, &timeout) == 0) taken = least;
    // What is too short for a device is an invalid argument to its driver.
    else if (errno != EINVAL) return errno;
  }
  if (taken == 0) return ERANGE;
  if (call_(fd_, WDIOC_GETTIMEOUT, &taken) != 0) return errno;
  if (taken <= 0 || taken >= before) return ERANGE;
  timeout_s_ = static_cast<std::uint32_t>(taken);
  return pet();
}

void Watchdog::close_for_good() noexcept {
  if (fd_ >= 0) static_cast<void>(!::write(fd_, "V", 1));
  close_armed();
}

void Watchdog::close_armed() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace twinbeat::guard
