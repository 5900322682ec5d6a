#include "guardian/guardian.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace twinbeat::guard {

namespace {

constexpr int kEventsMax = 16;

bool watch(int epoll, int fd) noexcept {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  return fd >= 0 && ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

Page* map_page(int fd) noexcept {
  struct stat info{};
  if (::fstat(fd, &info) != 0 || info.st_size != static_cast<off_t>(sizeof(Page))) return nullptr;
  // What cannot shrink cannot take the page away under us.
  if ((::fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK) == 0) return nullptr;
  void* memory = ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<Page*>(memory);
}

}  // namespace

bool Guardian::open(const Options& options, const char** why) noexcept {
  options_ = options;
  const auto fail = [&](const char* text) {
    *why = text;
    return false;
  };
  page_ = map_page(options.page_fd);
  if (page_ == nullptr || !is_readable(*page_)) return fail("the page is of another layout");
  journal_.open(options.journal_path);
  if (releaser_.open() != 0) return fail("no netlink socket");
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  timer_ = ::timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
  lock_event_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  for (const int fd : {timer_, lock_event_, options.bell_fd, options.pid_fd}) {
    if (!watch(epoll_, fd)) return fail("a descriptor is missing");
  }
  if (control_.open(options.socket_path, epoll_, &Guardian::on_command, this) != 0) {
    return fail("its socket cannot be made");
  }
  if (locks_.start(*page_, lock_event_) != 0) return fail("the locks of the page cannot be watched");
  GuardianWords& words = page_->guardian;
  words.realtime.store(options.realtime ? 1 : 0, std::memory_order_relaxed);
  words.memory_locked.store(options.memory_locked ? 1 : 0, std::memory_order_relaxed);
  words.watchdog_state.store(0, std::memory_order_relaxed);
  words.pid.store(static_cast<std::uint32_t>(::getpid()), std::memory_order_release);
  set_state(GuardianState::kGuarding);
  look_at_page();
  return true;
}

void Guardian::set_state(GuardianState state) noexcept {
  state_ = state;
  page_->guardian.state.store(state, std::memory_order_release);
}

// Copies a newer plan into our own memory, then acknowledges: from then on its addresses may be added.
void Guardian::look_at_page() noexcept {
  bool changed = locks_.look();
  if (read_plan(*page_, plan_.revision, plan_)) {
    page_->guardian.acknowledged.store(plan_.revision, std::memory_order_release);
    changed = true;
  } else if (plan_.revision != 0 && page_->guardian.acknowledged.load(std::memory_order_acquire) == 0) {
    page_->guardian.acknowledged.store(plan_.revision, std::memory_order_release);
    changed = true;
  }
  if (!changed || !bell_open_) return;
  const auto word = BellWord::kAck;
  static_cast<void>(::send(options_.bell_fd, &word, sizeof(word), MSG_DONTWAIT | MSG_NOSIGNAL));
}

Sight Guardian::sight(Micros planned) noexcept {
  const Limits& limits = page_->limits;
  Sight out{.now = boottime_now(),
            .planned = planned,
            .lock_died = locks_.any_died(),
            .process_gone = process_gone_,
            .running = limits.running.load(std::memory_order_acquire) != 0,
            .progress_at = page_->progress_at_us.load(std::memory_order_acquire),
            .stood_at = page_->stood_at_us.load(std::memory_order_acquire),
            .freeze = limits.freeze_us.load(std::memory_order_acquire),
            .keep_until = page_->keep_until_us.load(std::memory_order_acquire)};
  for (std::size_t i = 0; i < kGroupsMax; ++i) {
    const GroupSight group = read_group(*page_, i);
    if (group.release_by > 0 && (out.release_by == 0 || group.release_by < out.release_by)) {
      out.release_by = group.release_by;
    }
    out.ready_or_owned = out.ready_or_owned || (group.held && (group.peer_ready || group.owned));
  }
  out.traced = rule_.is_close() && is_traced();
  return out;
}

// A debugger's breakpoint is no freeze. Asked only when everything else speaks for one.
bool Guardian::is_traced() const noexcept {
  char path[64];
  std::snprintf(path, sizeof(path), "/proc/%d/status", options_.pid);
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char text[2048];
  const ssize_t got = ::read(fd, text, sizeof(text) - 1);
  ::close(fd);
  text[std::max<ssize_t>(got, 0)] = '\0';
  const char* line = std::strstr(text, "TracerPid:");
  return line != nullptr && std::strtol(line + 10, nullptr, 10) != 0;
}

Micros Guardian::judge(Micros planned) noexcept {
  const Sight seen = sight(planned);
  const Judgement judgement = rule_.judge(seen);
  if (state_ != GuardianState::kActing) {
    if (judgement.reason != ReleaseReason::kNone) {
      begin_acting(judgement.reason);
    } else {
      set_state(judgement.keeping ? GuardianState::kKeeping : GuardianState::kGuarding);
    }
  }
  if (state_ == GuardianState::kActing) act();
  const Micros now = boottime_now();
  if (state_ == GuardianState::kKeeping && now >= refresh_at_) refresh_lifetimes();
  pet(now);
  beat();
  return std::max(next_wake(judgement.look_again_at), now);
}

Micros Guardian::next_wake(Micros look_again_at) const noexcept {
  Micros next = state_ == GuardianState::kActing ? act_again_at_ : look_again_at;
  if (state_ == GuardianState::kKeeping) next = std::min(next, refresh_at_);
  if (watchdog_.is_open() && pet_at_ > 0) next = std::min(next, pet_at_);
  if (watchdog_.is_open() && hurry_at_ > 0) next = std::min(next, hurry_at_);
  return next;
}

void Guardian::beat() noexcept {
  page_->guardian.beat_at_us.store(boottime_now(), std::memory_order_release);
}

bool Guardian::wait(Micros until) noexcept {
  itimerspec when{};
  const Micros at = std::max<Micros>(until, 1);
  when.it_value.tv_sec = at / kMicrosPerSecond;
  when.it_value.tv_nsec = (at % kMicrosPerSecond) * 1000;
  static_cast<void>(::timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr));
  bool due = false;
  epoll_event events[kEventsMax];
  const int ready = ::epoll_wait(epoll_, events, kEventsMax, -1);
  for (int i = 0; i < ready; ++i) {
    const int fd = events[i].data.fd;
    std::uint64_t count = 0;
    if (fd == timer_ || fd == lock_event_) {
      due = due || fd == timer_;
      static_cast<void>(!::read(fd, &count, sizeof(count)));
    } else if (fd == options_.pid_fd) {
      process_gone_ = true;
      static_cast<void>(::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr));
    } else if (fd == options_.bell_fd) {
      // Its end alone is no death: the process is watched by other means.
      bell_open_ = gasps_.read_bell(fd);
      if (!bell_open_) static_cast<void>(::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr));
    } else {
      control_.serve(fd);
    }
  }
  if (state_ != GuardianState::kActing) look_at_page();
  return due;
}

int Guardian::run() noexcept {
  Micros planned = 0;
  while (!done_) {
    const Micros next = judge(planned);
    // What woke us early was not late.
    if (!done_) planned = wait(next) ? next : 0;
  }
  set_state(GuardianState::kDone);
  watchdog_.close_armed();
  control_.close(options_.socket_path);
  return 0;
}

}  // namespace twinbeat::guard
