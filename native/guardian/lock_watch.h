// Waits for the death of the daemon's threads: one small thread for each lock of the page sleeps in the kernel on the
// lock's word and tells the main thread when its owner died or let go. The guardian never owns a lock and never
// follows the pointers inside one: a page that was scribbled over can deceive it, but not crash it. (The kernel marks
// a dead owner's word itself, futex(2), "robust futexes"; only where the word lies is the C library's business.)
#pragma once

#include <pthread.h>

#include <array>
#include <atomic>

#include "abi/guard_page.h"

namespace twinbeat::guard {

class LockWatch {
 public:
  // `event_fd` is written at every change. The page must outlive the process. 0 or an errno; ENOSYS: this C library
  // keeps its locks in another way.
  [[nodiscard]] int start(Page& page, int event_fd) noexcept;
  // Main thread, after the daemon said that something changed: waits on locks that are taken now. True if that
  // changed anything.
  bool look() noexcept;
  [[nodiscard]] bool any_died() const noexcept;
  // Every lock that was taken is dead.
  [[nodiscard]] bool all_taken_dead() const noexcept;

 private:
  enum class Place : std::uint32_t { kIdle, kWaiting, kDied };
  struct Watcher {
    LockWatch* owner = nullptr;
    std::size_t index = 0;
    std::atomic<Place> place{Place::kIdle};
    std::atomic<std::uint32_t> go{0};  // futex: number of waits asked for
    pthread_t thread{};
  };

  [[nodiscard]] static void* entry(void* watcher);
  void run(Watcher& watcher) noexcept;

  Page* page_ = nullptr;
  int event_fd_ = -1;
  std::array<Watcher, kLocks> watchers_{};
};

}  // namespace twinbeat::guard
