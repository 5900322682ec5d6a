// The end of what a process printed: that is where the reason is.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <vector>

#include "spawner/protocol.h"

namespace twinbeat::spawner {

class Tail {
 public:
  // Reads what is there, at most `rounds` pipes full: a grandchild that writes faster than we read must not keep
  // us here. False: the stream has ended.
  [[nodiscard]] bool read_from(int fd, int rounds) {
    std::uint8_t chunk[kTailBytes];
    for (int i = 0; i < rounds; ++i) {
      const ssize_t got = ::read(fd, chunk, sizeof(chunk));
      if (got == 0) return false;
      if (got < 0) return errno == EAGAIN || errno == EINTR;
      push(chunk, static_cast<std::size_t>(got));
    }
    return true;
  }

  [[nodiscard]] std::uint64_t dropped() const { return dropped_ + surplus(); }
  [[nodiscard]] const std::uint8_t* data() const { return bytes_.data() + surplus(); }
  [[nodiscard]] std::size_t size() const { return bytes_.size() - surplus(); }

 private:
  [[nodiscard]] std::size_t surplus() const { return bytes_.size() > kTailBytes ? bytes_.size() - kTailBytes : 0; }

  void push(const std::uint8_t* from, std::size_t count) {
    bytes_.insert(bytes_.end(), from, from + count);
    // Compacting only at twice the limit keeps the cost per byte constant.
    if (bytes_.size() <= 2 * kTailBytes) return;
    const std::size_t over = surplus();
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(over));
    dropped_ += over;
  }

  std::vector<std::uint8_t> bytes_;
  std::uint64_t dropped_ = 0;
};

}  // namespace twinbeat::spawner
