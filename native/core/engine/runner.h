// The engine's thread: sleeps until the nearest deadline or the next packet, then runs one duty cycle. The owner's
// thread starts, stops and asks; it never touches the Engine while the thread runs.
#pragma once

#include <pthread.h>
#include <semaphore.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "core/engine/engine.h"
#include "core/engine/port.h"
#include "core/engine/rescue.h"

namespace twinbeat {

struct Realtime {
  bool fifo = false;
  int scheduling_errno = 0;
  bool memory_locked = false;
  int memory_errno = 0;
};

class Runner {
 public:
  // `on_records(context)` is called on the engine thread when records are waiting; it must not block.
  using Notify = void (*)(void* context);

  Runner(EnginePort& port, const Engine::Options& options, Notify on_records, void* context);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // Owner thread, all of them.
  [[nodiscard]] int start();  // 0 or errno
  void stop();                // joins; the stop command must have been pushed
  [[nodiscard]] bool running() const noexcept { return running_; }
  void wake() noexcept;       // commands are waiting
  // Written by other native threads that have something for the engine.
  [[nodiscard]] int event_fd() const noexcept { return event_; }
  // Empty when the thread did not answer in time.
  [[nodiscard]] std::string snapshot();
  [[nodiscard]] const Realtime& realtime() const noexcept { return realtime_; }

 private:
  struct Awake {
    std::uint64_t readable = 0;
    bool bell = false;
  };

  static void* entry(void* self);
  void run() noexcept;
  [[nodiscard]] int lock_memory() noexcept;
  void unlock_memory() noexcept;
  void prepare_thread() noexcept;
  void watch_links() noexcept;
  void watch_bell() noexcept;
  void hand_over_links() noexcept;
  void watch_always() noexcept;
  void prepare_stands() noexcept;
  [[nodiscard]] bool watch(int fd, std::uint64_t what) noexcept;
  // Which links may have something to read, one bit each; and whether the bell rang.
  [[nodiscard]] Awake sleep_until(Micros deadline) noexcept;
  void answer_snapshot() noexcept;

  EnginePort& port_;
  Engine engine_;
  Notify on_records_;
  void* context_;
  Realtime realtime_;
  pthread_t thread_{};
  bool running_ = false;
  int epoll_ = -1;
  int timer_ = -1;
  int event_ = -1;
  Rescue rescue_;
  std::uint64_t links_seen_ = 0;
  StandState stands_for_;
  Micros armed_for_ = 0;  // what the timer is set to; 0: it has gone off, or was never set
  std::uint32_t bell_seen_ = 0;  // attachment whose bell is in the set; 0: none
  std::atomic<bool> snapshot_wanted_{false};
  std::size_t snapshot_size_ = 0;
  std::unique_ptr<char[]> snapshot_;
  sem_t snapshot_done_{};
};

[[nodiscard]] Cycle read_clocks() noexcept;

}  // namespace twinbeat
