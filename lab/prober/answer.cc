#include "answer.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "protocol.h"
#include "spaces.h"

namespace prober {

namespace {

constexpr int kPriority = 70;
constexpr std::uint64_t kDatagrams4 = 0, kDatagrams6 = 1, kListener4 = 2, kListener6 = 3, kConnection = 4;

/// Bound to every address: one that comes later needs no new socket, and the kernel names the one that was asked.
int open_bound(int family, int type, std::uint16_t port) {
  const int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  sockaddr_storage any{};
  any.ss_family = static_cast<sa_family_t>(family);
  socklen_t size = sizeof(sockaddr_in);
  set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (family == AF_INET6) {
    set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (type == SOCK_DGRAM) set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    reinterpret_cast<sockaddr_in6*>(&any)->sin6_port = htons(port);
    size = sizeof(sockaddr_in6);
  } else {
    if (type == SOCK_DGRAM) set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
    reinterpret_cast<sockaddr_in*>(&any)->sin_port = htons(port);
  }
  checked(bind(fd, reinterpret_cast<sockaddr*>(&any), size), "bind");
  if (type == SOCK_STREAM) checked(listen(fd, 1024), "listen");
  return fd;
}

/// The control data of a question says which address was asked; handed back, it is the sender of the answer.
void answer_from_where_asked(msghdr& header) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
      auto* info = reinterpret_cast<in_pktinfo*>(CMSG_DATA(part));
      info->ipi_spec_dst = info->ipi_addr;
      info->ipi_ifindex = 0;
    }
  }
}

void answer_datagrams(int fd, const std::string& name) {
  char buffer[256];
  char control[128];
  sockaddr_storage from{};
  for (;;) {
    iovec part{buffer, sizeof buffer - kNameBytes};
    msghdr header{};
    header.msg_name = &from;
    header.msg_namelen = sizeof from;
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t got = recvmsg(fd, &header, MSG_DONTWAIT);
    if (got < 0) return;
    if (static_cast<std::size_t>(got) < sizeof(Question)) continue;
    std::memcpy(buffer + sizeof(Question), name.data(), name.size());
    part.iov_len = sizeof(Question) + name.size();
    answer_from_where_asked(header);
    sendmsg(fd, &header, MSG_DONTWAIT);
  }
}

/// The client closes: with a reset, so that neither side keeps the connection.
void take_connections(int listener, int epoll, const std::string& line) {
  for (;;) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    send(fd, line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP;
    event.data.u64 = kConnection | static_cast<std::uint64_t>(fd) << 32;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  }
}

}  // namespace

void answer(const Options& options) {
  enter(options.netns);
  const std::string name = options.name.substr(0, kNameBytes);
  const std::string line = name + '\n';
  const int sockets[] = {open_bound(AF_INET, SOCK_DGRAM, options.port), open_bound(AF_INET6, SOCK_DGRAM, options.port),
                         open_bound(AF_INET, SOCK_STREAM, options.port),
                         open_bound(AF_INET6, SOCK_STREAM, options.port)};
  const int epoll = checked(epoll_create1(EPOLL_CLOEXEC), "epoll");
  for (std::uint64_t kind = kDatagrams4; kind <= kListener6; ++kind) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = kind;
    if (sockets[kind] >= 0) epoll_ctl(epoll, EPOLL_CTL_ADD, sockets[kind], &event);
  }
  take_realtime_priority(kPriority);
  static_cast<void>(write(STDOUT_FILENO, "ready\n", 6) + 1);
  epoll_event events[64];
  for (;;) {
    const int count = epoll_wait(epoll, events, 64, -1);
    for (int at = 0; at < count; ++at) {
      const std::uint64_t kind = events[at].data.u64 & 0xff;
      if (kind <= kDatagrams6) answer_datagrams(sockets[kind], name);
      else if (kind <= kListener6) take_connections(sockets[kind], epoll, line);
      else close(static_cast<int>(events[at].data.u64 >> 32));
    }
  }
}

}  // namespace prober
