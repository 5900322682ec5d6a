#include "core/link/receive.h"

#include <netinet/in.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace twinbeat {

namespace {

// A stamp older than this is a stepped clock, not a packet that waited.
constexpr Micros kOldestStamp = 120 * kMicrosPerSecond;
constexpr std::size_t kControlBytes = 128;

Micros stamp_of(const msghdr& header, const Cycle& cycle) noexcept {
  for (const cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr;
       part = CMSG_NXTHDR(const_cast<msghdr*>(&header), const_cast<cmsghdr*>(part))) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec wall{};
    std::memcpy(&wall, CMSG_DATA(part), sizeof(wall));
    const Micros wall_us = static_cast<Micros>(wall.tv_sec) * kMicrosPerSecond + wall.tv_nsec / 1000;
    const Micros age = cycle.wall_us - wall_us;
    return age < 0 || age > kOldestStamp ? cycle.now : cycle.now - age;
  }
  return cycle.now;
}

template <typename Value>
bool take_control(const cmsghdr& part, int level, int type, Value& out) noexcept {
  if (part.cmsg_level != level || part.cmsg_type != type) return false;
  std::memcpy(&out, CMSG_DATA(&part), sizeof(out));
  return true;
}

template <typename From>
void copy_ip(const From& from, Origin::IpAddress& out) noexcept {
  std::memcpy(out.data(), &from, sizeof(from));
}

Origin origin_of(const msghdr& header, const sockaddr_storage& sender) noexcept {
  Origin origin;
  for (const cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr;
       part = CMSG_NXTHDR(const_cast<msghdr*>(&header), const_cast<cmsghdr*>(part))) {
    static_cast<void>(take_control(*part, SOL_SOCKET, SO_RXQ_OVFL, origin.dropped));
    in_pktinfo v4{};
    in6_pktinfo v6{};
    if (sender.ss_family == AF_INET && take_control(*part, IPPROTO_IP, IP_PKTINFO, v4)) {
      origin.family = 4;
      // The address that would answer is the one that was asked, unless that was everybody's.
      origin.to_group = v4.ipi_spec_dst.s_addr != v4.ipi_addr.s_addr;
      copy_ip(v4.ipi_addr, origin.target);
      copy_ip(reinterpret_cast<const sockaddr_in&>(sender).sin_addr, origin.source);
    } else if (sender.ss_family == AF_INET6 && take_control(*part, IPPROTO_IPV6, IPV6_PKTINFO, v6)) {
      origin.family = 6;
      origin.to_group = IN6_IS_ADDR_MULTICAST(&v6.ipi6_addr);
      copy_ip(v6.ipi6_addr, origin.target);
      copy_ip(reinterpret_cast<const sockaddr_in6&>(sender).sin6_addr, origin.source);
    }
  }
  return origin;
}

}  // namespace

void enable_origins(int fd, int family) noexcept {
  const int on = 1;
  const bool v6 = family == AF_INET6;
  static_cast<void>(::setsockopt(fd, v6 ? int{IPPROTO_IPV6} : int{IPPROTO_IP}, v6 ? IPV6_RECVPKTINFO : IP_PKTINFO,
                                 &on, sizeof(on)));
}

void enable_receive_stamps(int fd) noexcept {
  const int on = 1;
  static_cast<void>(::setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)));
  static_cast<void>(::setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on)));
}

bool receive_batch(int fd, DatagramFilter* filter, PacketSink& sink, const Cycle& cycle,
                   ReceiveArena& arena, int& error) noexcept {
  std::array<mmsghdr, kReceiveBatch> headers;
  std::array<iovec, kReceiveBatch> pieces;
  // Not cleared: the kernel writes what is read here, and most batches are one datagram.
  std::array<sockaddr_storage, kReceiveBatch> senders;
  alignas(cmsghdr) std::array<std::array<std::uint8_t, kControlBytes>, kReceiveBatch> control;
  for (std::size_t i = 0; i < kReceiveBatch; ++i) {
    senders[i].ss_family = AF_UNSPEC;
    pieces[i] = {arena.buffers[i].data(), arena.buffers[i].size()};
    headers[i].msg_hdr = {&senders[i],        sizeof(senders[i]), &pieces[i], 1, control[i].data(),
                          control[i].size(), 0};
    headers[i].msg_len = 0;
  }
  const int count = ::recvmmsg(fd, headers.data(), kReceiveBatch, MSG_DONTWAIT, nullptr);
  error = count < 0 && errno != EAGAIN && errno != EINTR ? errno : 0;
  for (int i = 0; i < count; ++i) {
    const auto at = static_cast<std::size_t>(i);
    Bytes bytes{arena.buffers[at].data(), std::min<std::size_t>(headers[at].msg_len, kReceiveBytes)};
    if (filter != nullptr) bytes = filter->payload(bytes, senders[at]);
    if (bytes.empty()) continue;
    sink.packet(bytes, stamp_of(headers[at].msg_hdr, cycle), origin_of(headers[at].msg_hdr, senders[at]));
  }
  // A pending socket error (an ICMP answer of the peer's machine) is consumed by the read that reports it.
  return count == static_cast<int>(kReceiveBatch) || error != 0;
}

}  // namespace twinbeat
