#include "core/engine/rescue.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <ctime>

namespace twinbeat {

namespace {

constexpr std::size_t kStackBytes = 64 * 1024;
constexpr std::size_t kTouchedBytes = 32 * 1024;
// What a timer of a busy machine is late by all day.
constexpr Micros kStandsLeast = 500;

// The first word must not wait for a page of memory.
void touch_stack() noexcept {
  std::array<std::uint8_t, kTouchedBytes> bytes;
  for (std::size_t at = 0; at < bytes.size(); at += 1024) static_cast<volatile std::uint8_t*>(bytes.data())[at] = 0;
}

// On a clock whose timer is this processor's own.
void sleep_for(Micros span) noexcept {
  timespec at{};
  at.tv_sec = span / kMicrosPerSecond;
  at.tv_nsec = (span % kMicrosPerSecond) * 1000;
  static_cast<void>(::clock_nanosleep(CLOCK_MONOTONIC, 0, &at, nullptr));
}

void wait_for(sem_t& posted) noexcept {
  while (sem_wait(&posted) != 0) {
  }
}

// The first and the last: neighbours may share what holds one of them up.
std::array<int, 2> two_of(const cpu_set_t& allowed) noexcept {
  std::array<int, 2> found{-1, -1};
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(static_cast<std::size_t>(cpu), &allowed)) continue;
    if (found[0] < 0) found[0] = cpu;
    found[1] = cpu;
  }
  return found;
}

// It may still be pinned elsewhere from outside: then it is rescued as far as that allows.
void keep_to(pid_t engine, const std::array<int, 2>& cpus) noexcept {
  cpu_set_t both;
  CPU_ZERO(&both);
  for (const int cpu : cpus) CPU_SET(static_cast<std::size_t>(cpu), &both);
  if (engine != 0) static_cast<void>(::sched_setaffinity(engine, sizeof(both), &both));
}

}  // namespace

Rescue::Rescue(int event_fd, guard::PageWriter* page, Move move) noexcept : event_(event_fd), page_(page), move_(move) {
  for (Watcher& watcher : watchers_) {
    watcher.rescue = this;
    sem_init(&watcher.wanted, 0, 0);
    sem_init(&watcher.asked, 0, 0);
  }
}

Rescue::~Rescue() {
  stop();
  for (Watcher& watcher : watchers_) {
    sem_destroy(&watcher.wanted);
    sem_destroy(&watcher.asked);
  }
}

void Rescue::start(int priority) noexcept {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof(allowed), &allowed) != 0 || CPU_COUNT(&allowed) < 2) return;
  priority_ = priority;
  ended_.store(false, std::memory_order_relaxed);
  const std::array<int, 2> cpus = two_of(allowed);
  if (CPU_COUNT(&allowed) > 2) keep_to(engine_.load(std::memory_order_relaxed), cpus);
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return;
  static_cast<void>(pthread_attr_setstacksize(&attributes, kStackBytes));
  // Signals belong to the owner's thread.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  // Each looks at the other one's.
  for (std::size_t i = 0; i < watchers_.size(); ++i) {
    if (!watchers_[i].sees) watchers_[i].cpu = cpus[i];
  }
  for (Watcher& watcher : watchers_) {
    if (!watcher.sees) watcher.sees = pthread_create(&watcher.eye, &attributes, &Rescue::see, &watcher) == 0;
    if (!watcher.reaches) watcher.reaches = pthread_create(&watcher.hand, &attributes, &Rescue::reach, &watcher) == 0;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
}

void Rescue::stop() noexcept {
  ended_.store(true, std::memory_order_relaxed);
  for (Watcher& watcher : watchers_) {
    if (watcher.sees) {
      sem_post(&watcher.wanted);
      pthread_join(watcher.eye, nullptr);
    }
    // Else it would look as if its processor stood.
    watcher.next_look.store(0, std::memory_order_relaxed);
    if (watcher.reaches) {
      sem_post(&watcher.asked);
      pthread_join(watcher.hand, nullptr);
    }
    watcher.sees = watcher.reaches = false;
    watcher.handed_for = watcher.handled = 0;
    watcher.hand_due.store(0, std::memory_order_relaxed);
  }
}

void Rescue::guard_this_thread() noexcept {
  engine_.store(static_cast<pid_t>(::syscall(SYS_gettid)), std::memory_order_relaxed);
}

void Rescue::falls_asleep(Micros until, Micros after) noexcept {
  const bool unwatched = after_.load(std::memory_order_relaxed) == 0;
  after_.store(after, std::memory_order_relaxed);
  planned_.store(until, std::memory_order_relaxed);
  // Last, and seen first: what is due is judged by what belongs to it.
  due_.store(until, std::memory_order_release);
  if (!unwatched || after == 0) return;
  for (Watcher& watcher : watchers_) sem_post(&watcher.wanted);
}

// Its number may soon be another thread's.
void Rescue::leaves() noexcept {
  engine_.store(0, std::memory_order_relaxed);
  falls_asleep(0, 0);
}

bool Rescue::take_called() noexcept {
  return called_.load(std::memory_order_relaxed) && called_.exchange(false, std::memory_order_relaxed);
}

void* Rescue::see(void* self) {
  auto* const watcher = static_cast<Watcher*>(self);
  watcher->rescue->run_eye(*watcher);
  return nullptr;
}

void* Rescue::reach(void* self) {
  auto* const watcher = static_cast<Watcher*>(self);
  watcher->rescue->run_hand(*watcher);
  return nullptr;
}

bool Rescue::prepare(const Watcher& watcher, const char* name) const noexcept {
  static_cast<void>(pthread_setname_np(pthread_self(), name));
  touch_stack();
  cpu_set_t own;
  CPU_ZERO(&own);
  CPU_SET(static_cast<std::size_t>(watcher.cpu), &own);
  sched_param parameter{};
  parameter.sched_priority = priority_;
  // Behind ordinary work it would come later than the engine itself.
  return ::sched_setaffinity(0, sizeof(own), &own) == 0 &&
         ::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameter) == 0;
}

void Rescue::run_eye(Watcher& watcher) noexcept {
  if (!prepare(watcher, "twinbeat-rescue")) return;
  while (!ended_.load(std::memory_order_relaxed)) {
    const Micros after = after_.load(std::memory_order_relaxed);
    if (after == 0) {
      watcher.next_look.store(0, std::memory_order_relaxed);
      ask_hand(watcher, 0);
      wait_for(watcher.wanted);
      continue;
    }
    const Micros span = after + after / 4;
    watcher.next_look.store(boottime_now() + span, std::memory_order_relaxed);
    sleep_for(span);
    look(watcher);
  }
}

// An engine that is awake for as long was pushed to where nothing runs; or it is at work, and is none the worse for it.
void Rescue::look(Watcher& watcher) noexcept {
  const Micros due = due_.load(std::memory_order_acquire);
  const Micros after = after_.load(std::memory_order_relaxed);
  if (due != watcher.handed_for) ask_hand(watcher, 0);
  const Micros now = boottime_now();
  if (due == 0 || after == 0 || now - due < after) return;
  speak(watcher, due, now, after);
  ask_hand(watcher, due);
}

void Rescue::ask_hand(Watcher& watcher, Micros due) noexcept {
  if (watcher.handed_for == due) return;
  watcher.handed_for = due;
  watcher.hand_due.store(due, std::memory_order_release);
  sem_post(&watcher.asked);
}

void Rescue::speak(Watcher& watcher, Micros due, Micros now, Micros after) noexcept {
  if (now - due >= kStandMost || !other_stands(watcher, now, after) || !watcher.voice.say(now)) return;
  said_.fetch_add(1, std::memory_order_relaxed);
  // Who is asked a dead time, which is five of these, after the last word or later may have taken over: then the guardian
  // lets go as it would for any other silence. Counted from the last sleep: an engine that woke has said nothing yet.
  const Micros planned = planned_.load(std::memory_order_relaxed);
  const bool first = watcher.asked_for != planned;
  watcher.unbroken = first ? now - planned <= 3 * after : watcher.unbroken && now - watcher.asked_at <= 4 * after;
  watcher.asked_for = planned;
  watcher.asked_at = now;
  if (watcher.unbroken && page_ != nullptr) page_->stamp_stand(now);
}

// The engine is where the other watcher is, and that one, before which nothing of ours comes, does not run either.
bool Rescue::other_stands(const Watcher& watcher, Micros now, Micros after) const noexcept {
  const Watcher& other = &watcher == &watchers_[0] ? watchers_[1] : watchers_[0];
  const Micros wanted = other.next_look.load(std::memory_order_relaxed);
  const Micros late = std::max(after / 2, kStandsLeast);
  return other.cpu == cpu_.load(std::memory_order_relaxed) && wanted != 0 && now - wanted >= late;
}

void Rescue::run_hand(Watcher& watcher) noexcept {
  if (!prepare(watcher, "twinbeat-move")) return;
  while (!ended_.load(std::memory_order_relaxed)) {
    wait_for(watcher.asked);
    const Micros due = watcher.hand_due.load(std::memory_order_acquire);
    if (due == watcher.handled) continue;
    give_back(watcher);
    watcher.handled = due;
    // It may have been held up itself, or the other one was faster.
    const bool wanted = due != 0 && due == due_.load(std::memory_order_acquire) && !ended_.load(std::memory_order_relaxed);
    if (!wanted || called_for_.exchange(due, std::memory_order_relaxed) == due) continue;
    if (!fetched_.exchange(true, std::memory_order_relaxed)) fetch(watcher);
    called_.store(true, std::memory_order_relaxed);
    const std::uint64_t one = 1;
    static_cast<void>(!::write(event_, &one, sizeof(one)));
  }
  give_back(watcher);
}

// What waits in the queue of a processor that stands can be taken from there by another one.
void Rescue::fetch(Watcher& watcher) noexcept {
  const pid_t engine = engine_.load(std::memory_order_relaxed);
  cpu_set_t here;
  CPU_ZERO(&here);
  CPU_SET(static_cast<std::size_t>(watcher.cpu), &here);
  CPU_ZERO(&watcher.before);
  watcher.fetched = engine != 0 && ::sched_getaffinity(engine, sizeof(watcher.before), &watcher.before) == 0 &&
                    CPU_ISSET(static_cast<std::size_t>(watcher.cpu), &watcher.before) &&
                    move_(engine, sizeof(here), &here) == 0;
  if (!watcher.fetched) fetched_.store(false, std::memory_order_relaxed);
}

void Rescue::give_back(Watcher& watcher) noexcept {
  if (!watcher.fetched) return;
  const pid_t engine = engine_.load(std::memory_order_relaxed);
  if (engine != 0) static_cast<void>(move_(engine, sizeof(watcher.before), &watcher.before));
  watcher.fetched = false;
  fetched_.store(false, std::memory_order_relaxed);
}

}  // namespace twinbeat
