// The one opener of a watchdog before drivers as there are; the file behind the descriptor is none.
#include <doctest/doctest.h>
#include <linux/watchdog.h>

#include <cerrno>
#include <cstdint>

#include "guardian/watchdog.h"

using namespace twinbeat::guard;

namespace {

struct Driver {
  int least = 1;
  int step = 1;   // of its timer
  bool fixed = false;
  bool deaf = false;  // accepts every time and keeps its own
  int timeout = 60;
  int running = 0;  // what it counts down from: taken over at a ping, as softdog does
  int pings = 0;
};
Driver g_driver;

int refuse(int error) {
  errno = error;
  return -1;
}

int drive(int, unsigned long request, int* value) {
  Driver& driver = g_driver;
  if (request == WDIOC_KEEPALIVE) {
    ++driver.pings;
    driver.running = driver.timeout;
    return 0;
  }
  if (request == WDIOC_GETTIMEOUT) {
    *value = driver.timeout;
    return 0;
  }
  if (request != WDIOC_SETTIMEOUT) return refuse(ENOTTY);
  if (driver.fixed) return refuse(EOPNOTSUPP);
  if (*value < driver.least) return refuse(EINVAL);
  if (!driver.deaf) driver.timeout = (*value + driver.step - 1) / driver.step * driver.step;
  return 0;
}

// The device is open, with 5 s where the driver takes that.
int hurry(const Driver& driver, std::uint32_t* timeout_s = nullptr) {
  g_driver = driver;
  Watchdog watchdog(&drive);
  REQUIRE(watchdog.open("/dev/null", 5) == 0);
  g_driver.pings = 0;
  const int error = watchdog.hurry();
  if (timeout_s != nullptr) *timeout_s = watchdog.timeout_s();
  return error;
}

}  // namespace

TEST_CASE("a watchdog that must hurry has its least time, and one ping with which that begins") {
  std::uint32_t timeout_s = 0;
  CHECK(hurry({}, &timeout_s) == 0);
  CHECK(timeout_s == 1);
  CHECK(g_driver.running == 1);
  CHECK(g_driver.pings == 1);
}

TEST_CASE("the least time of a device is found, and what it made of it is read back") {
  std::uint32_t timeout_s = 0;
  CHECK(hurry({.least = 3}, &timeout_s) == 0);
  CHECK(timeout_s == 3);
  CHECK(g_driver.running == 3);
  CHECK(hurry({.step = 2}, &timeout_s) == 0);
  CHECK(timeout_s == 2);
}

TEST_CASE("a device without a shorter time is not petted, which would only make it later") {
  std::uint32_t timeout_s = 0;
  CHECK(hurry({.fixed = true}, &timeout_s) == EOPNOTSUPP);
  CHECK(timeout_s == 60);
  CHECK(g_driver.pings == 0);
  CHECK(hurry({.deaf = true}) == ERANGE);
  CHECK(g_driver.pings == 0);
  CHECK(hurry({.least = 5}) == ERANGE);
  CHECK(g_driver.pings == 0);
  CHECK(hurry({.step = 10}) == ERANGE);
  CHECK(g_driver.pings == 0);
}

TEST_CASE("a device that is not open cannot hurry") {
  Watchdog watchdog(&drive);
  CHECK(watchdog.hurry() == EBADF);
}
