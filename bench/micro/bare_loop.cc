// The least that a heartbeat can cost: each interval one broadcast on each of some interfaces, and whatever arrives, which is the
// other node's and one's own, is read and thrown away. No authentication, no judgement. What an engine costs is compared with this.
//   bare_loop PORT INTERVAL_US INTERFACE/ADDRESS...
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kHeartbeatBytes = 300;
constexpr int kPriority = 60;

struct Way {
  int fd = -1;
  sockaddr_in to{};
};

// Not connected: a socket that is connected to a broadcast address receives nothing.
Way open_way(const std::string& text, std::uint16_t port) {
  const std::size_t cut = text.find('/');
  const std::string interface = text.substr(0, cut);
  Way way;
  way.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  const int on = 1;
  setsockopt(way.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(way.fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
  sockaddr_in here{};
  here.sin_family = AF_INET;
  here.sin_port = htons(port);
  way.to = here;
  if (cut == std::string::npos || inet_pton(AF_INET, text.c_str() + cut + 1, &way.to.sin_addr) != 1 ||
      setsockopt(way.fd, SOL_SOCKET, SO_BINDTODEVICE, interface.c_str(), static_cast<socklen_t>(interface.size())) != 0 ||
      bind(way.fd, reinterpret_cast<sockaddr*>(&here), sizeof here) != 0) {
    std::perror(text.c_str());
    std::exit(1);
  }
  return way;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const auto port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  const long interval_ns = std::atol(argv[2]) * 1000;
  mlockall(MCL_CURRENT | MCL_FUTURE);
  prctl(PR_SET_TIMERSLACK, 1UL);
  sched_param param{};
  param.sched_priority = kPriority;
  sched_setscheduler(0, SCHED_FIFO, &param);
  const int epoll = epoll_create1(0);
  const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  const itimerspec every{{interval_ns / 1'000'000'000, interval_ns % 1'000'000'000}, {0, 1}};
  timerfd_settime(timer, 0, &every, nullptr);
  std::vector<Way> ways;
  for (int at = 3; at < argc; ++at) ways.push_back(open_way(argv[at], port));
  const auto watch = [&](int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  };
  watch(timer);
  for (const Way& way : ways) watch(way.fd);
  char heartbeat[kHeartbeatBytes] = {};
  char buffer[2048];
  epoll_event events[8];
  for (;;) {
    const int count = epoll_wait(epoll, events, 8, -1);
    for (int at = 0; at < count; ++at) {
      if (events[at].data.fd != timer) {
        while (recv(events[at].data.fd, buffer, sizeof buffer, 0) > 0) {}
        continue;
      }
      std::uint64_t ticks = 0;
      if (read(timer, &ticks, sizeof ticks) < 0) continue;
      for (const Way& way : ways) {
        static_cast<void>(!sendto(way.fd, heartbeat, sizeof heartbeat, 0, reinterpret_cast<const sockaddr*>(&way.to), sizeof way.to));
      }
    }
  }
}
