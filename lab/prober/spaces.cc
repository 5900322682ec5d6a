#include "spaces.h"

#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace prober {

std::int64_t now_ns() {
  timespec at{};
  clock_gettime(CLOCK_MONOTONIC, &at);
  return static_cast<std::int64_t>(at.tv_sec) * 1'000'000'000 + at.tv_nsec;
}

std::int64_t realtime_to_monotonic_ns() {
  timespec real{};
  clock_gettime(CLOCK_REALTIME, &real);
  return now_ns() - (static_cast<std::int64_t>(real.tv_sec) * 1'000'000'000 + real.tv_nsec);
}

bool take_realtime_priority(int priority) {
  mlockall(MCL_CURRENT | MCL_FUTURE);
  sched_param param{};
  param.sched_priority = priority;
  return sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param) == 0;
}

int checked(int result, const char* what) {
  if (result < 0) fail(std::string{what} + ": " + std::strerror(errno));
  return result;
}

void enter(const std::string& netns) {
  const int fd = checked(open(netns.c_str(), O_RDONLY | O_CLOEXEC), netns.c_str());
  checked(setns(fd, CLONE_NEWNET), "setns");
  close(fd);
}

void set_option(int fd, int level, int name, int value) {
  checked(setsockopt(fd, level, name, &value, sizeof value), "setsockopt");
}

std::int64_t stamp_of(const msghdr& header, std::int64_t to_monotonic_ns) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr;
       part = CMSG_NXTHDR(const_cast<msghdr*>(&header), part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec at{};
    std::memcpy(&at, CMSG_DATA(part), sizeof at);
    return static_cast<std::int64_t>(at.tv_sec) * 1'000'000'000 + at.tv_nsec + to_monotonic_ns;
  }
  return now_ns();
}

int open_route_monitor() {
  const int fd = checked(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE), "netlink");
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  checked(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), "bind netlink");
  set_option(fd, SOL_SOCKET, SO_RCVBUF, 1 << 20);
  return fd;
}

int open_packet_tap(const std::string& interface, int protocol) {
  const int fd = checked(
      socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(static_cast<std::uint16_t>(protocol))), "packet");
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(static_cast<std::uint16_t>(protocol));
  address.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
  if (address.sll_ifindex == 0) fail("no interface " + interface);
  checked(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), "bind packet");
  set_option(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
  // Answers to requests that carry a made-up sender go to that sender.
  packet_mreq promiscuous{};
  promiscuous.mr_ifindex = address.sll_ifindex;
  promiscuous.mr_type = PACKET_MR_PROMISC;
  checked(setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous), "promiscuous");
  return fd;
}

}  // namespace prober
