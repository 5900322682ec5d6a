// A guardian that only acknowledges, played by hand on a page of its own. For the manual engine and for tests.
#pragma once

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "core/guard/page_writer.h"

namespace twinbeat {

class ManualGuardian {
 public:
  ManualGuardian() noexcept : page_fd_(guard::create_page()) {
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, bell_.data()) != 0) bell_ = {-1, -1};
    void* memory = page_fd_ < 0 ? MAP_FAILED
                                : ::mmap(nullptr, sizeof(guard::Page), PROT_READ | PROT_WRITE, MAP_SHARED, page_fd_, 0);
    page_ = memory == MAP_FAILED ? nullptr : static_cast<guard::Page*>(memory);
  }
  ~ManualGuardian() {
    leave();
    if (page_ != nullptr) ::munmap(page_, sizeof(guard::Page));
    for (const int fd : {page_fd_, bell_[0]}) {
      if (fd >= 0) ::close(fd);
    }
  }
  ManualGuardian(const ManualGuardian&) = delete;
  ManualGuardian& operator=(const ManualGuardian&) = delete;

  [[nodiscard]] bool ok() const noexcept { return page_ != nullptr && bell_[0] >= 0; }
  [[nodiscard]] int page_fd() const noexcept { return page_fd_; }
  [[nodiscard]] int bell_fd() const noexcept { return bell_[0]; }
  [[nodiscard]] guard::Page& page() noexcept { return *page_; }

  // It watches the netlink thread's lock and holds the plan that stands in the page.
  void acknowledge() noexcept {
    guard::ThreadLock& lock = page_->locks[guard::kNetLock];
    lock.watched.store(lock.takes.load());
    page_->guardian.acknowledged.store(page_->plans[page_->current_plan.load()].revision);
  }
  // Gone, as after its death.
  void leave() noexcept {
    if (bell_[1] >= 0) ::close(bell_[1]);
    bell_[1] = -1;
  }

 private:
  int page_fd_;
  std::array<int, 2> bell_{-1, -1};
  guard::Page* page_ = nullptr;
};

}  // namespace twinbeat
