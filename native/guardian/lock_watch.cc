#include "guardian/lock_watch.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace twinbeat::guard {

namespace {

// Locked into memory as a whole, so it must be small.
constexpr std::size_t kStackBytes = 32 * 1024;

#if defined(__GLIBC__)
constexpr std::size_t kWordOffset = 0;
#else
constexpr std::size_t kWordOffset = 4;  // musl
#endif

using Word = std::uint32_t;

Word* word_of(pthread_mutex_t& mutex) noexcept {
  return reinterpret_cast<Word*>(reinterpret_cast<char*>(&mutex) + kWordOffset);
}

void futex_wait(Word* word, Word value, int flags) noexcept {
  static_cast<void>(::syscall(SYS_futex, word, FUTEX_WAIT | flags, value, nullptr));
}

// Whether a lock's word is where we look for it.
bool knows_locks() noexcept {
  pthread_mutexattr_t attributes;
  pthread_mutex_t mutex;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&mutex, &attributes);
  pthread_mutex_lock(&mutex);
  const bool owned = (__atomic_load_n(word_of(mutex), __ATOMIC_ACQUIRE) & FUTEX_TID_MASK) ==
                     static_cast<Word>(::syscall(SYS_gettid));
  pthread_mutex_unlock(&mutex);
  return owned && (__atomic_load_n(word_of(mutex), __ATOMIC_ACQUIRE) & FUTEX_TID_MASK) == 0;
}

// True when the owner died, false when the lock was let go.
bool wait_for_end(Word* word) noexcept {
  for (;;) {
    Word seen = __atomic_load_n(word, __ATOMIC_ACQUIRE);
    if ((seen & FUTEX_OWNER_DIED) != 0) return true;
    if ((seen & FUTEX_TID_MASK) == 0) return false;
    // Without this mark nobody wakes us.
    if ((seen & FUTEX_WAITERS) == 0) {
      const Word marked = seen | FUTEX_WAITERS;
      if (!__atomic_compare_exchange_n(word, &seen, marked, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) continue;
      seen = marked;
    }
    futex_wait(word, seen, 0);
  }
}

}  // namespace

int LockWatch::start(Page& page, int event_fd) noexcept {
  if (!knows_locks()) return ENOSYS;
  page_ = &page;
  event_fd_ = event_fd;
  pthread_attr_t attributes;
  if (const int error = pthread_attr_init(&attributes); error != 0) return error;
  pthread_attr_setstacksize(&attributes, kStackBytes);
  int error = 0;
  for (std::size_t i = 0; i < kLocks && error == 0; ++i) {
    watchers_[i].owner = this;
    watchers_[i].index = i;
    error = pthread_create(&watchers_[i].thread, &attributes, &LockWatch::entry, &watchers_[i]);
  }
  pthread_attr_destroy(&attributes);
  return error;
}

void* LockWatch::entry(void* watcher) {
  auto* self = static_cast<Watcher*>(watcher);
  self->owner->run(*self);
  return nullptr;
}

void LockWatch::run(Watcher& watcher) noexcept {
  ThreadLock& lock = page_->locks[watcher.index];
  std::uint32_t done = 0;
  for (;;) {
    while (watcher.go.load(std::memory_order_acquire) == done) {
      futex_wait(reinterpret_cast<Word*>(&watcher.go), done, FUTEX_PRIVATE_FLAG);
    }
    done = watcher.go.load(std::memory_order_acquire);
    const bool died = wait_for_end(word_of(lock.mutex));
    watcher.place.store(died ? Place::kDied : Place::kIdle, std::memory_order_release);
    const std::uint64_t one = 1;
    static_cast<void>(!::write(event_fd_, &one, sizeof(one)));
  }
}

bool LockWatch::look() noexcept {
  bool changed = false;
  for (Watcher& watcher : watchers_) {
    ThreadLock& lock = page_->locks[watcher.index];
    if (watcher.place.load(std::memory_order_acquire) != Place::kIdle) continue;
    if (lock.taken.load(std::memory_order_acquire) == 0) continue;
    const std::uint32_t take = lock.takes.load(std::memory_order_acquire);
    watcher.place.store(Place::kWaiting, std::memory_order_release);
    watcher.go.fetch_add(1, std::memory_order_acq_rel);
    static_cast<void>(::syscall(SYS_futex, &watcher.go, FUTEX_WAKE_PRIVATE, 1));
    // If the owner dies before the thread asks, asking tells.
    lock.watched.store(take, std::memory_order_release);
    changed = true;
  }
  return changed;
}

bool LockWatch::any_died() const noexcept {
  for (const Watcher& watcher : watchers_) {
    if (watcher.place.load(std::memory_order_acquire) == Place::kDied) return true;
  }
  return false;
}

bool LockWatch::all_taken_dead() const noexcept {
  for (const Watcher& watcher : watchers_) {
    if (watcher.place.load(std::memory_order_acquire) == Place::kWaiting) return false;
    if (watcher.place.load(std::memory_order_acquire) == Place::kIdle &&
        page_->locks[watcher.index].taken.load(std::memory_order_acquire) != 0) {
      return false;
    }
  }
  return true;
}

}  // namespace twinbeat::guard
