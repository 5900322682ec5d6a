#include "core/net/net_thread.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace twinbeat::net {
namespace {

constexpr size_t kStackBytes = 512 * 1024;
constexpr int kEventsMax = 8;

int add_to_epoll(int epoll_fd, int fd) noexcept {
  if (fd < 0) return 0;  // no packet sockets: that part sleeps
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  return ::epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

void close_fd(int& fd) noexcept {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

void drain_counter(int fd) noexcept {
  uint64_t value = 0;
  (void)!::read(fd, &value, sizeof(value));
}

// The process's signals belong to its main thread.
int create_thread(pthread_t& thread, void* (*main)(void*), void* argument) noexcept {
  pthread_attr_t attributes;
  if (const int error = pthread_attr_init(&attributes); error != 0) return error;
  (void)pthread_attr_setstacksize(&attributes, kStackBytes);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(&thread, &attributes, main, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error == 0) (void)pthread_setname_np(thread, "tb-netlink");
  return error;
}

}  // namespace

// The eventfd lives as long as the object: feeders write to it whether the thread runs or not.
NetThread::NetThread() noexcept : duty_(rings_, boottime_now) {
  event_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

NetThread::~NetThread() {
  stop();
  close_fd(event_fd_);
}

int NetThread::open_descriptors() noexcept {
  epoll_fd_ = ::epoll_create1(EPOLL_CLOEXEC);
  timer_fd_ = ::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  if (epoll_fd_ < 0 || timer_fd_ < 0) return errno;
  if (event_fd_ < 0) return EMFILE;
  for (const int fd : {event_fd_, timer_fd_, duty_.monitor_fd(), duty_.arp_fd(),
                       duty_.neighbour_fd()}) {
    if (const int error = add_to_epoll(epoll_fd_, fd); error != 0) return error;
  }
  return 0;
}

void NetThread::close_descriptors() noexcept {
  close_fd(epoll_fd_);
  close_fd(timer_fd_);
}

NetStartReport NetThread::start(const NetConfig& config) noexcept {
  NetStartReport report;
  if (running_) {
    report.thread_errno = EALREADY;
    return report;
  }
  config_ = config;
  report.open = duty_.open(config);
  if (report.open.netlink_errno != 0) return report;
  report.thread_errno = open_descriptors();
  stopping_.store(false, std::memory_order_relaxed);
  if (report.thread_errno == 0) report.thread_errno = create_thread(thread_, thread_main, this);
  if (report.thread_errno != 0) {
    close_descriptors();
    duty_.close();
    return report;
  }
  running_ = true;
  if (config.realtime_priority > 0) {
    sched_param parameter{};
    parameter.sched_priority = config.realtime_priority;
    report.realtime_errno =
        pthread_setschedparam(thread_, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameter);
  }
  return report;
}

void NetThread::stop() noexcept {
  if (!running_) return;
  stopping_.store(true, std::memory_order_release);
  wake();
  pthread_join(thread_, nullptr);
  running_ = false;
  duty_.close();
  close_descriptors();
}

void* NetThread::thread_main(void* self) {
  static_cast<NetThread*>(self)->run();
  return nullptr;
}

void NetThread::tell(Feeder feeder, int fd) noexcept {
  const uint64_t one = 1;
  if (duty_.take_published(feeder) && fd >= 0) (void)!::write(fd, &one, sizeof(one));
}

void NetThread::run() noexcept {
  if (config_.warden != nullptr) config_.warden->thread_begins();
  while (!stopping_.load(std::memory_order_acquire)) {
    const Micros next = duty_.do_work();
    publish_counters();
    tell(Feeder::kEngine, config_.engine_wake_fd);
    tell(Feeder::kController, config_.wake_fd);
    arm_timer(next);
    epoll_event events[kEventsMax];
    const int ready = ::epoll_wait(epoll_fd_, events, kEventsMax, -1);
    for (int i = 0; i < ready; ++i) {
      const int fd = events[i].data.fd;
      if (fd == event_fd_ || fd == timer_fd_) drain_counter(fd);
    }
  }
  if (config_.warden != nullptr) config_.warden->thread_ends();
}

// A moment in the past fires at once, which is what "more to do" (0) means.
void NetThread::arm_timer(Micros at) noexcept {
  itimerspec spec{};
  if (at != kNever) {
    const Micros moment = at > 0 ? at : 1;
    spec.it_value.tv_sec = static_cast<time_t>(moment / kMicrosPerSecond);
    spec.it_value.tv_nsec = static_cast<long>(moment % kMicrosPerSecond * 1000);
  }
  (void)::timerfd_settime(timer_fd_, TFD_TIMER_ABSTIME, &spec, nullptr);
}

void NetThread::wake() noexcept {
  const uint64_t one = 1;
  if (event_fd_ >= 0) (void)!::write(event_fd_, &one, sizeof(one));
}

bool NetThread::submit(Feeder feeder, const StepBatch& batch) noexcept {
  StepBatch* place = batch.count <= kBatchStepsMax ? claim(feeder) : nullptr;
  if (place == nullptr) return false;
  // Only the steps that are there: a batch of one is the usual one.
  std::memcpy(place, &batch, offsetof(StepBatch, steps) + batch.count * sizeof(AddressStep));
  commit(feeder);
  return true;
}

StepBatch* NetThread::claim(Feeder feeder) noexcept {
  return rings_.batches[static_cast<size_t>(feeder)].claim();
}

void NetThread::commit(Feeder feeder) noexcept {
  rings_.batches[static_cast<size_t>(feeder)].commit();
  wake();
}

void NetThread::watch(const WatchList& list) noexcept {
  rings_.watch.draft() = list;
  rings_.watch.post();
  wake();
}

uint32_t NetThread::void_group(uint32_t group) noexcept {
  if (group >= kGroupsMax) return 0;
  return rings_.stamps[group].fetch_add(1, std::memory_order_acq_rel) + 1;
}

uint32_t NetThread::group_stamp(uint32_t group) const noexcept {
  return group < kGroupsMax ? rings_.stamps[group].load(std::memory_order_acquire) : 0;
}

bool NetThread::next_result(Feeder feeder, StepBatchResult& out) noexcept {
  auto& ring = rings_.results[static_cast<size_t>(feeder)];
  const StepBatchResult* result = ring.front();
  if (result == nullptr) return false;
  std::memcpy(&out, result,
              offsetof(StepBatchResult, results) + result->count * sizeof(StepResult));
  // Only a nearly full ring can have made a batch wait for this place.
  const bool awaited = ring.size() + kPendingMax >= kResultRing;
  ring.pop();
  if (awaited) wake();
  return true;
}

bool NetThread::next_event(NetEvent& out) noexcept {
  const NetEvent* event = rings_.events.front();
  if (event == nullptr) return false;
  out = *event;
  rings_.events.pop();
  return true;
}

void NetThread::publish_counters() noexcept {
  static_assert(sizeof(NetCounters) % sizeof(uint64_t) == 0);
  uint64_t words[sizeof(NetCounters) / sizeof(uint64_t)];
  const NetCounters counters = duty_.counters();
  std::memcpy(words, &counters, sizeof(words));
  for (size_t i = 0; i < counters_words_.size(); ++i) {
    counters_words_[i].store(words[i], std::memory_order_relaxed);
  }
}

NetCounters NetThread::counters() const noexcept {
  uint64_t words[sizeof(NetCounters) / sizeof(uint64_t)];
  for (size_t i = 0; i < counters_words_.size(); ++i) {
    words[i] = counters_words_[i].load(std::memory_order_relaxed);
  }
  NetCounters counters;
  std::memcpy(&counters, words, sizeof(words));
  return counters;
}

}  // namespace twinbeat::net
