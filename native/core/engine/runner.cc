#include "core/engine/runner.h"

#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>

#include "core/engine/memory_lock.h"
#include "core/guard/link_handover.h"

namespace twinbeat {

namespace {

// Above ordinary real-time programs' default of 1, below the kernel's threads that serve us.
constexpr int kPriority = 10;
constexpr int kRescuePriority = kPriority + 1;
constexpr std::size_t kSnapshotBytes = 512 * 1024;
constexpr long kSnapshotWaitNs = 500'000'000;
// What an entry of the epoll set stands for: a link by its index, or one of these.
constexpr std::uint64_t kTimer = 64;
constexpr std::uint64_t kEvent = 65;
constexpr std::uint64_t kBell = 66;
constexpr std::uint64_t kEveryLink = ~std::uint64_t{0};

}  // namespace

Cycle read_clocks() noexcept {
  timespec wall{};
  clock_gettime(CLOCK_REALTIME, &wall);
  return {boottime_now(), static_cast<std::int64_t>(wall.tv_sec) * kMicrosPerSecond + wall.tv_nsec / 1000};
}

Runner::Runner(EnginePort& port, const Engine::Options& options, Notify on_records, void* context)
    : port_(port),
      engine_(port, options),
      on_records_(on_records),
      context_(context),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      timer_(::timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC)),
      event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      rescue_(event_, &port.board->page),
      snapshot_(new char[kSnapshotBytes]()) {
  sem_init(&snapshot_done_, 0, 0);
  watch_always();
}

Runner::~Runner() {
  for (const int fd : {epoll_, timer_, event_}) {
    if (fd >= 0) ::close(fd);
  }
  sem_destroy(&snapshot_done_);
}

int Runner::start() {
  if (running_) return 0;
  if (epoll_ < 0 || timer_ < 0 || event_ < 0) return EMFILE;
  const int error = lock_memory();
  realtime_.memory_locked = error == 0;
  realtime_.memory_errno = error;
  // Signals belong to the owner's thread.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int failed = pthread_create(&thread_, nullptr, &Runner::entry, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  running_ = failed == 0;
  // The thread has tried its scheduling class when it posts for the first time.
  if (running_) {
    while (sem_wait(&snapshot_done_) != 0 && errno == EINTR) {
    }
  }
  if (realtime_.fifo) rescue_.start(kRescuePriority);
  return failed;
}

int Runner::lock_memory() noexcept {
  int error = lock_own_memory();
  for (const Bytes& range : engine_.memory()) {
    const int failed = lock_range(range);
    if (error == 0) error = failed;
  }
  for (ByteRing* ring : {&port_.commands, &port_.records}) {
    const int failed = lock_range(ring->memory());
    if (error == 0) error = failed;
  }
  const int failed = lock_range(rescue_.memory());
  if (error == 0) error = failed;
  return error;
}

void Runner::unlock_memory() noexcept {
  for (const Bytes& range : engine_.memory()) unlock_range(range);
  for (ByteRing* ring : {&port_.commands, &port_.records}) unlock_range(ring->memory());
  unlock_range(rescue_.memory());
}

void Runner::stop() {
  if (!running_) return;
  rescue_.stop();
  wake();
  pthread_join(thread_, nullptr);
  running_ = false;
  unlock_memory();
}

void Runner::wake() noexcept {
  if (!running_) {
    // No thread yet: the owner is the engine thread for this one cycle, so that its calls take effect in order.
    engine_.do_work(read_clocks());
    return;
  }
  const std::uint64_t one = 1;
  static_cast<void>(!::write(event_, &one, sizeof(one)));
}

std::string Runner::snapshot() {
  if (!running_) {
    const std::size_t size = engine_.write_snapshot({snapshot_.get(), kSnapshotBytes}, boottime_now());
    return {snapshot_.get(), size};
  }
  while (sem_trywait(&snapshot_done_) == 0) {
  }
  snapshot_wanted_.store(true, std::memory_order_release);
  wake();
  timespec until{};
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += kSnapshotWaitNs;
  until.tv_sec += until.tv_nsec / 1'000'000'000;
  until.tv_nsec %= 1'000'000'000;
  while (sem_clockwait(&snapshot_done_, CLOCK_MONOTONIC, &until) != 0) {
    if (errno != EINTR) return {};
  }
  return {snapshot_.get(), snapshot_size_};
}

void* Runner::entry(void* self) {
  static_cast<Runner*>(self)->run();
  return nullptr;
}

void Runner::prepare_thread() noexcept {
  static_cast<void>(pthread_setname_np(pthread_self(), "twinbeat-engine"));
  static_cast<void>(::prctl(PR_SET_TIMERSLACK, 1UL));
  sched_param parameter{};
  parameter.sched_priority = kPriority;
  realtime_.fifo = ::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameter) == 0;
  realtime_.scheduling_errno = realtime_.fifo ? 0 : errno;
}

void Runner::run() noexcept {
  prepare_thread();
  rescue_.guard_this_thread();
  touch_stack();
  sem_post(&snapshot_done_);
  Awake awake{.readable = kEveryLink, .bell = true};
  while (true) {
    Cycle cycle = read_clocks();
    rescue_.wakes(cycle.now);
    cycle.readable = awake.readable;
    // One that is not in the set, because there is none yet or it found no place, is asked each time.
    cycle.bell = awake.bell || bell_seen_ == 0;
    engine_.do_work(cycle);
    if (engine_.take_dirty()) on_records_(context_);
    answer_snapshot();
    if (engine_.stopped()) break;
    // A link that was opened just now may have been written to before it was watched.
    const bool reopened = links_seen_ != engine_.links_version();
    watch_links();
    watch_bell();
    prepare_stands();
    if (port_.commands.used() > 0 && !engine_.asking()) continue;
    awake = sleep_until(engine_.next_deadline());
    if (reopened) awake.readable = kEveryLink;
  }
  rescue_.leaves();
  for (StandVoice* voice : rescue_.voices()) voice->hush();
  stands_for_ = {};
  watch_links();
  // A request that crossed with the end must not wait for its time limit.
  answer_snapshot();
}

void Runner::answer_snapshot() noexcept {
  if (!snapshot_wanted_.exchange(false, std::memory_order_acquire)) return;
  snapshot_size_ = engine_.write_snapshot({snapshot_.get(), kSnapshotBytes}, boottime_now());
  sem_post(&snapshot_done_);
}

// The set is made anew whenever a link opened or closed. A serial line's descriptor is a duplicate of its owner's: what
// closes the duplicate leaves its entry in the set, where nobody can remove it any more, and a line that is hung up
// would wake this thread without end, above everything else that runs on the machine.
void Runner::watch_links() noexcept {
  if (links_seen_ == engine_.links_version()) return;
  const int fresh = ::epoll_create1(EPOLL_CLOEXEC);
  if (fresh < 0) return;  // tried again after the next cycle, which reads every link because of it
  links_seen_ = engine_.links_version();
  ::close(epoll_);
  epoll_ = fresh;
  watch_always();
  for (std::size_t i = 0; i < engine_.link_count(); ++i) static_cast<void>(watch(engine_.link(i)->fd(), i));
  bell_seen_ = 0;  // not in the new set
  watch_bell();
}

void Runner::prepare_stands() noexcept {
  const StandState state = engine_.stand_state();
  if (!realtime_.fifo || state == stands_for_) return;
  bool done = true;
  for (StandVoice* voice : rescue_.voices()) done = engine_.prepare_stand(*voice) && done;
  if (done) stands_for_ = state;
}

void Runner::watch_always() noexcept {
  static_cast<void>(watch(timer_, kTimer));
  static_cast<void>(watch(event_, kEvent));
}

void Runner::hand_over_links() noexcept {
  std::array<Link*, kMaxLinks> links{};
  const std::size_t count = std::min(engine_.link_count(), links.size());
  for (std::size_t i = 0; i < count; ++i) links[i] = engine_.link(i);
  guard::hand_over(port_.board->page, {links.data(), count});
}

bool Runner::watch(int fd, std::uint64_t what) noexcept {
  if (epoll_ < 0 || fd < 0) return false;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = what;
  return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0;
}

// The guardian's bell keeps its number, but another guardian is another socket.
void Runner::watch_bell() noexcept {
  const guard::PageWriter& page = port_.board->page;
  if (!port_.board->guarded.load(std::memory_order_acquire)) return;
  const bool alive = page.guardian_alive();
  const std::uint32_t wanted = alive ? page.attachments() : 0;
  if (wanted == bell_seen_) return;
  if (bell_seen_ != 0) static_cast<void>(::epoll_ctl(epoll_, EPOLL_CTL_DEL, page.bell_fd(), nullptr));
  bell_seen_ = wanted;
  if (!alive) return;
  if (!watch(page.bell_fd(), kBell)) bell_seen_ = 0;
  // A new guardian, or links have changed.
  hand_over_links();
}

// Two calls of the kernel in most cycles: the timer is set only when its moment has changed, which also takes back what
// it has counted, and nothing is read that did not announce itself.
Runner::Awake Runner::sleep_until(Micros deadline) noexcept {
  if (deadline != armed_for_) {
    itimerspec when{};
    if (deadline < kNever) {
      const Micros at = deadline < 1 ? 1 : deadline;
      when.it_value.tv_sec = at / kMicrosPerSecond;
      when.it_value.tv_nsec = (at % kMicrosPerSecond) * 1000;
    }
    static_cast<void>(::timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr));
    armed_for_ = deadline;
  }
  std::array<epoll_event, kMaxLinks + 3> events;
  rescue_.falls_asleep(deadline < kNever ? deadline : 0, engine_.rescue_after());
  const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
  if (rescue_.take_called()) port_.count(Counter::kRescues);
  if (const std::uint32_t said = rescue_.take_said(); said > 0) port_.count(Counter::kStands, said);
  Awake awake;
  for (int i = 0; i < count; ++i) {
    const std::uint64_t what = events[static_cast<std::size_t>(i)].data.u64;
    if (what < kTimer) awake.readable |= std::uint64_t{1} << what;
    if (what == kTimer) armed_for_ = 0;
    if (what == kBell) awake.bell = true;
    std::uint64_t value = 0;
    if (what == kEvent) static_cast<void>(!::read(event_, &value, sizeof(value)));
  }
  return awake;
}

}  // namespace twinbeat
