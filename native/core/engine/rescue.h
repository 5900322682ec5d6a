// Eyes on two other processors. A host can withhold one processor of a virtual machine for ten milliseconds, and a
// kernel that does not preempt itself can hold one as long: whatever was to run there waits, the timers included, while
// the other processors go on. The engine would then be silent for longer than a short dead time on a machine that works.
// Two threads, each bound to a processor of its own, look whether the engine wakes when it wanted to. Whichever finds it
// late fetches it to its own processor, which runs, and wakes it. That does not help an engine whose code was running on the processor
// that stands. Then the other watcher of that processor stands too: whoever sees both asks the peer to wait. An engine that
// hangs in its own code stays silent, and so does one of a process that is stopped.
#pragma once

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/types.h>

#include <array>
#include <atomic>

#include "core/base/clock.h"
#include "core/engine/stand_voice.h"
#include "core/guard/page_writer.h"

namespace twinbeat {

class Rescue {
 public:
  using Move = int (*)(pid_t thread, std::size_t bytes, const cpu_set_t* to);

  // `event_fd` wakes the engine; the guardian looks at `page`.
  explicit Rescue(int event_fd, guard::PageWriter* page = nullptr, Move move = &::sched_setaffinity) noexcept;
  ~Rescue();
  Rescue(const Rescue&) = delete;
  Rescue& operator=(const Rescue&) = delete;

  // Owner thread. Where there is one processor only there is nothing to be rescued to. `priority` is above the engine's: a
  // watcher that waits for an engine at work would look as if its processor stood. With more than two processors the
  // engine is kept to the two that are watched.
  void start(int priority) noexcept;
  void stop() noexcept;  // joins

  // Engine thread: who is to be woken, once; then at the begin and the end of each sleep, the moment by which it wants
  // to go on. `after` is how late it may be; 0: nobody looks.
  void guard_this_thread() noexcept;
  void falls_asleep(Micros until, Micros after) noexcept;
  void wakes(Micros now) noexcept {
    cpu_.store(::sched_getcpu(), std::memory_order_relaxed);
    due_.store(now, std::memory_order_release);
  }
  void leaves() noexcept;
  // True once after it was called.
  [[nodiscard]] bool take_called() noexcept;
  // How often the peer was asked to wait since this was last called.
  [[nodiscard]] std::uint32_t take_said() noexcept { return said_.exchange(0, std::memory_order_relaxed); }
  // Engine thread: what each watcher says.
  [[nodiscard]] std::array<StandVoice*, 2> voices() noexcept { return {&watchers_[0].voice, &watchers_[1].voice}; }
  [[nodiscard]] Bytes memory() const noexcept { return {reinterpret_cast<const std::uint8_t*>(this), sizeof(*this)}; }

 private:
  // A thread that looks and speaks, and one that moves and wakes: to move a thread that runs, or is just being woken, on
  // a processor that stands takes until that goes on.
  struct Watcher {
    Rescue* rescue = nullptr;
    int cpu = -1;
    bool sees = false;  // these threads were started
    bool reaches = false;
    pthread_t eye{};
    pthread_t hand{};
    sem_t wanted{};  // by the eye
    sem_t asked{};   // by the hand
    StandVoice voice;

    // The eye's.
    std::atomic<Micros> next_look{0};  // when it wants to look again; 0: it does not
    Micros handed_for = 0;             // what was due when the hand was last asked
    Micros asked_for = 0;              // what was planned when the peer was last asked to wait
    Micros asked_at = 0;
    bool unbroken = false;             // since then the peer has been asked often enough to be waiting still

    // From the eye to the hand: what is due; 0: give back.
    std::atomic<Micros> hand_due{0};
    // The hand's.
    Micros handled = 0;
    bool fetched = false;
    cpu_set_t before{};  // where the engine could run
  };

  static void* see(void* self);
  static void* reach(void* self);
  void run_eye(Watcher& watcher) noexcept;
  void run_hand(Watcher& watcher) noexcept;
  [[nodiscard]] bool prepare(const Watcher& watcher, const char* name) const noexcept;
  void look(Watcher& watcher) noexcept;
  void ask_hand(Watcher& watcher, Micros due) noexcept;
  void speak(Watcher& watcher, Micros due, Micros now, Micros after) noexcept;
  void fetch(Watcher& watcher) noexcept;
  void give_back(Watcher& watcher) noexcept;
  [[nodiscard]] bool other_stands(const Watcher& watcher, Micros now, Micros after) const noexcept;

  const int event_;
  guard::PageWriter* const page_;
  const Move move_;
  int priority_ = 0;
  std::array<Watcher, 2> watchers_;
  std::atomic<bool> ended_{false};
  std::atomic<bool> fetched_{false};  // by one of them, and not given back yet

  std::atomic<pid_t> engine_{0};
  std::atomic<Micros> due_{0};  // 0: nothing is
  std::atomic<Micros> planned_{0};  // the end of its last sleep, as it wanted it
  std::atomic<Micros> after_{0};
  std::atomic<Micros> called_for_{0};  // what was due when it was last called
  std::atomic<bool> called_{false};
  std::atomic<int> cpu_{-1};  // where the engine woke last
  std::atomic<std::uint32_t> said_{0};
};

}  // namespace twinbeat
