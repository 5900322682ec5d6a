// Measures from outside what a pair of nodes does to its clients: one process with sockets in every namespace, one thread,
// one clock. It sleeps between ticks, and whatever it cannot see it does not guess.
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <memory>

#include "announcements.h"
#include "answer.h"
#include "client.h"
#include "events.h"
#include "faults.h"
#include "gaps.h"
#include "holders.h"
#include "options.h"
#include "protocol.h"
#include "spaces.h"

namespace prober {

namespace {

// Above whatever is measured, or its own lateness would be measured instead.
constexpr int kPriority = 80;
constexpr std::int64_t kLateNs = 1'000'000;
// Nothing of its own kind keeps it waiting this long: the machine stood.
constexpr std::int64_t kStallNs = 5'000'000;

constexpr std::uint64_t kTick = 1, kInput = 2, kSignal = 3, kClient = 4, kTap = 5, kGaps = 6, kMonitor = 16;

Names names_of(const Options& options) {
  Names names;
  for (const NodeSpec& node : options.nodes) names.nodes.push_back(node.name);
  for (const Endpoint& address : options.addresses) names.addresses.push_back(address.text);
  return names;
}

timespec timespec_of(std::int64_t ns) {
  return {static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
}

int block_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return checked(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd");
}

class Watch {
 public:
  explicit Watch(const Options& options);
  int run();

 private:
  void add(int fd, std::uint64_t tag) const;
  void tap(const PortSpec& port, Where where);
  void serve(std::uint64_t tag);
  void tick();
  void begin();
  void say(Kind kind, std::int64_t at_ns, std::int64_t value, std::uint64_t seq);

  const Options& options_;
  Journal journal_;
  int epoll_;
  int signals_;
  int timer_;
  Faults faults_;
  Holders holders_;
  std::vector<std::unique_ptr<Announcements>> taps_;
  std::unique_ptr<Gaps> gaps_;
  std::unique_ptr<Client> client_;
  std::int64_t next_ns_ = 0;
  std::int64_t next_arp_ns_ = 0;
  std::int64_t end_ns_ = 0;
  bool running_ = true;
};

Watch::Watch(const Options& options)
    : options_{options},
      journal_{names_of(options)},
      epoll_{checked(epoll_create1(EPOLL_CLOEXEC), "epoll")},
      signals_{block_signals()},
      timer_{checked(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd")},
      faults_{options, journal_},
      holders_{options, journal_} {
  add(timer_, kTick);
  add(signals_, kSignal);
  for (std::size_t node = 0; node < holders_.size(); ++node) add(holders_.monitor_fd(node), kMonitor + node);
  if (!options.bridge.netns.empty()) {
    enter(options.bridge.netns);
    tap(options.bridge, Where::kBridge);
  }
  if (!options.gaps.netns.empty()) {
    enter(options.gaps.netns);
    gaps_ = std::make_unique<Gaps>(options, journal_);
    add(gaps_->fd(), kGaps);
  }
  enter(options.client.netns);
  tap(options.client, Where::kClient);
  client_ = std::make_unique<Client>(options, journal_, epoll_);
  if (client_->fd() >= 0) add(client_->fd(), kClient);
  fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kInput;
  // A file or /dev/null cannot be waited for: then only the duration or a signal ends it.
  epoll_ctl(epoll_, EPOLL_CTL_ADD, STDIN_FILENO, &event);
}

void Watch::add(int fd, std::uint64_t tag) const {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = tag;
  checked(epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

void Watch::tap(const PortSpec& port, Where where) {
  auto announcements = std::make_unique<Announcements>(port, where, options_, journal_);
  for (const int fd : {announcements->arp_fd(), announcements->ip6_fd()}) {
    if (fd < 0) continue;
    add(fd, kTap | static_cast<std::uint64_t>(taps_.size()) << 8 | static_cast<std::uint64_t>(fd) << 16);
  }
  taps_.push_back(std::move(announcements));
}

void Watch::say(Kind kind, std::int64_t at_ns, std::int64_t value, std::uint64_t seq) {
  Event event;
  event.kind = kind;
  event.at_ns = at_ns;
  event.value = value;
  event.seq = seq;
  journal_.put(event);
}

void Watch::begin() {
  journal_.start();
  Event event;
  event.kind = Kind::kBegin;
  event.on = take_realtime_priority(kPriority);
  event.at_ns = now_ns();
  journal_.put(event);
  next_ns_ = event.at_ns + options_.every_ns;
  if (options_.arp_every_ns > 0) next_arp_ns_ = next_ns_;
  if (options_.duration_ns > 0) end_ns_ = event.at_ns + options_.duration_ns;
  const itimerspec first{{0, 0}, timespec_of(next_ns_)};
  timerfd_settime(timer_, TFD_TIMER_ABSTIME, &first, nullptr);
}

int Watch::run() {
  begin();
  epoll_event events[64];
  while (running_) {
    const int count = epoll_wait(epoll_, events, 64, -1);
    for (int at = 0; at < count; ++at) serve(events[at].data.u64);
  }
  say(Kind::kEnd, now_ns(), static_cast<std::int64_t>(client_->answered()), client_->asked());
  journal_.finish();
  return 0;
}

void Watch::serve(std::uint64_t tag) {
  if ((tag & kAttemptTag) != 0) return client_->serve(tag & 0xffffffff);
  if (tag == kTick) return tick();
  if (tag == kClient) return client_->read(realtime_to_monotonic_ns());
  if (tag == kGaps) return gaps_->read(realtime_to_monotonic_ns());
  if (tag == kInput) {
    if (!faults_.read()) running_ = false;
    return;
  }
  if (tag == kSignal) {
    running_ = false;
    return;
  }
  if ((tag & 0xff) == kTap) {
    taps_[tag >> 8 & 0xff]->read(static_cast<int>(tag >> 16), realtime_to_monotonic_ns());
    return;
  }
  holders_.read_monitor(tag - kMonitor);
}

void Watch::tick() {
  std::uint64_t expirations = 0;
  if (read(timer_, &expirations, sizeof expirations) < 0) return;
  const std::int64_t at_ns = now_ns();
  const std::int64_t late_ns = at_ns - next_ns_;
  if (late_ns >= kLateNs) say(late_ns >= kStallNs ? Kind::kStall : Kind::kLate, at_ns, late_ns, 0);
  client_->ask(at_ns);
  holders_.poll(at_ns);
  if (next_arp_ns_ > 0 && at_ns >= next_arp_ns_) {
    taps_.back()->ask();
    next_arp_ns_ = at_ns + options_.arp_every_ns;
  }
  if (end_ns_ > 0 && at_ns >= end_ns_) running_ = false;
  // Ticks that were slept through are not made up for.
  const std::int64_t missed = (now_ns() - next_ns_) / options_.every_ns;
  next_ns_ += (missed + 1) * options_.every_ns;
  const itimerspec next{{0, 0}, timespec_of(next_ns_)};
  timerfd_settime(timer_, TFD_TIMER_ABSTIME, &next, nullptr);
}

}  // namespace

}  // namespace prober

int main(int argc, char** argv) {
  const prober::Options options = prober::parse_options(argc, argv);
  if (options.answering) prober::answer(options);
  prober::Watch watch{options};
  return watch.run();
}
