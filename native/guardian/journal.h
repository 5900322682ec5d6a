// What the guardian did, told where somebody finds it after the daemon is gone: one line to the system log and one to
// a small file of the run folder, which the next daemon logs and empties.
#pragma once

#include <cstdarg>

namespace twinbeat::guard {

class Journal {
 public:
  // Both may fail: a guardian that cannot write still lets go.
  void open(const char* file) noexcept;
  // `event` is one word; the text must not hold a quote or a backslash.
  void write(const char* event, const char* format, ...) noexcept __attribute__((format(printf, 3, 4)));

 private:
  int file_ = -1;
  int syslog_ = -1;
};

}  // namespace twinbeat::guard
