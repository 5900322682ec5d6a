#include "core/guard/link_handover.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>

namespace twinbeat::guard {

namespace {

// A line is opened again instead of copied: its owner's file lock belongs to the open file, and a copy in the guardian
// would keep the next daemon from its line. -1: not permitted while the line is exclusive.
int open_line_again(int fd) noexcept {
  char path[32];
  std::snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  return ::open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}

}  // namespace

void hand_over(PageWriter& page, std::span<Link* const> links) noexcept {
  std::array<LinkTarget, kLinkTargetsMax> targets{};
  std::array<int, kLinkTargetsMax> fds{};
  std::array<int, kLinkTargetsMax> opened{};
  std::size_t count = 0;
  std::size_t opened_count = 0;
  for (Link* link : links) {
    if (count == kLinkTargetsMax || link == nullptr) break;
    LinkTarget target{};
    if (!link->last_words_target(target)) continue;
    int fd = link->fd();
    if (target.way == LinkWay::kSerial) {
      fd = open_line_again(fd);
      if (fd < 0) continue;
      opened[opened_count++] = fd;
    }
    target.descriptor = static_cast<std::uint8_t>(count);
    targets[count] = target;
    fds[count++] = fd;
  }
  static_cast<void>(page.hand_over_links({targets.data(), count}, {fds.data(), count}));
  for (std::size_t i = 0; i < opened_count; ++i) ::close(opened[i]);
}

}  // namespace twinbeat::guard
