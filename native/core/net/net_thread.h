// The netlink thread: one thread of its own, real-time if allowed, that carries out address steps
// and watches over what was taken. Feeding it never blocks and never waits for the kernel's lock.
//
// Which thread calls what:
//   owner       start, stop, the constructor and destructor (one thread at a time)
//   controller  submit(kController, ...), claim/commit(kController), watch
//   engine      submit(kEngine, ...), claim/commit(kEngine), next_result(kEngine)
//   drain       next_result(kController), next_event (one thread; may be the controller)
//   any         void_group, group_stamp, counters, wake
// The object is large (some MB, all its memory); make it once, on the heap.
#pragma once

#include <atomic>
#include <pthread.h>

#include "core/net/net_duty.h"

namespace twinbeat::net {

struct NetStartReport {
  NetOpenReport open;
  int thread_errno = 0;    // not 0: the thread does not run
  int realtime_errno = 0;  // not 0: it runs at normal priority
  [[nodiscard]] bool running() const noexcept {
    return open.netlink_errno == 0 && thread_errno == 0;
  }
};

class NetThread {
 public:
  NetThread() noexcept;
  ~NetThread();
  NetThread(const NetThread&) = delete;
  NetThread& operator=(const NetThread&) = delete;

  // Works in the network namespace of the calling thread. Batches submitted before are kept.
  [[nodiscard]] NetStartReport start(const NetConfig& config) noexcept;
  // Joins the thread. A batch under way is finished; those still in the rings are not begun.
  // Addresses stay as they are: letting go is a batch of removes before.
  void stop() noexcept;
  [[nodiscard]] bool is_running() const noexcept { return running_; }

  // False: the ring is full (or the batch is too long), nothing was queued.
  [[nodiscard]] bool submit(Feeder feeder, const StepBatch& batch) noexcept;
  // The same without the copy: fill the place, then commit. nullptr: full.
  [[nodiscard]] StepBatch* claim(Feeder feeder) noexcept;
  void commit(Feeder feeder) noexcept;
  // Replaces the whole list; of several in a row the last one counts.
  void watch(const WatchList& list) noexcept;

  // Adds of batches that carry an older stamp of this group are refused from now on, also inside
  // a batch under way. Returns the new stamp.
  uint32_t void_group(uint32_t group) noexcept;
  [[nodiscard]] uint32_t group_stamp(uint32_t group) const noexcept;

  [[nodiscard]] bool next_result(Feeder feeder, StepBatchResult& out) noexcept;
  [[nodiscard]] bool next_result(StepBatchResult& out) noexcept { return next_result(Feeder::kController, out); }
  [[nodiscard]] bool next_event(NetEvent& out) noexcept;
  [[nodiscard]] NetCounters counters() const noexcept;
  // One more cycle: something that the warden looks at has changed.
  void wake() noexcept;

 private:
  [[nodiscard]] static void* thread_main(void* self);
  void run() noexcept;
  [[nodiscard]] int open_descriptors() noexcept;
  void close_descriptors() noexcept;
  void arm_timer(Micros at) noexcept;
  void tell(Feeder feeder, int fd) noexcept;
  void publish_counters() noexcept;

  NetRings rings_;
  NetDuty duty_;
  NetConfig config_;
  pthread_t thread_{};
  bool running_ = false;
  std::atomic<bool> stopping_{false};
  int epoll_fd_ = -1;
  int timer_fd_ = -1;
  int event_fd_ = -1;
  // Written by the thread each cycle, read by anybody; each word is right by itself.
  std::array<std::atomic<uint64_t>, sizeof(NetCounters) / sizeof(uint64_t)> counters_words_{};
};

}  // namespace twinbeat::net
