// Last words: sends what the daemon has signed on what the daemon has opened. Composes nothing.
#pragma once

#include <array>

#include "abi/guard_page.h"
#include "core/guard/page_reader.h"

namespace twinbeat::guard {

class GaspSender {
 public:
  // Reads one datagram of the bell. False: the other end is gone.
  [[nodiscard]] bool read_bell(int bell) noexcept;
  // Ways that took it.
  [[nodiscard]] std::uint32_t send(const GaspCopy& gasp) noexcept;
  [[nodiscard]] std::uint32_t ways() const noexcept { return target_count_; }

 private:
  void replace_links(const LinkHandover& handover, std::size_t bytes, const int* fds, std::size_t fd_count) noexcept;

  std::array<LinkTarget, kLinkTargetsMax> targets_{};
  std::uint32_t target_count_ = 0;
  std::array<int, kLinkTargetsMax> fds_{};
  std::uint32_t fd_count_ = 0;
};

}  // namespace twinbeat::guard
