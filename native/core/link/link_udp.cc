// bcast, ucast, mcast and their IPv6 forms: one socket each for sending and receiving. The source port of a
// heartbeat is never checked, so both directions may share it.
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/link/links.h"
#include "core/link/receive.h"

namespace twinbeat {

namespace {

constexpr int kReceiveQueueBytes = 512 * 1024;

class UdpLink final : public Link {
 public:
  explicit UdpLink(const LinkSpec& spec) noexcept : Link(spec) {}

  int open() noexcept override {
    close();
    fd_ = ::socket(family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) return keep_error(errno);
    int error = set_options();
    if (error == 0) error = bind_local();
    if (error == 0) error = set_target();
    if (error == 0 && is_multicast()) error = join();
    if (error != 0) close();
    return keep_error(error);
  }

  SendResult send(const Outgoing& out, const Cycle&) noexcept override {
    const ssize_t sent = ::sendto(fd_, out.netstring.data(), out.netstring.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                                  reinterpret_cast<const sockaddr*>(&target_), target_bytes_);
    return sent >= 0 ? SendResult::kSent : failed_send(errno);
  }

  bool receive(PacketSink& sink, const Cycle& cycle, ReceiveArena& arena) noexcept override {
    int error = 0;
    const bool more = receive_batch(fd_, nullptr, sink, cycle, arena, error);
    if (error != 0) last_error_ = error;
    return more;
  }

  bool last_words_target(guard::LinkTarget& out) const noexcept override {
    if (fd_ < 0 || target_bytes_ > sizeof(out.address)) return false;
    out.way = guard::LinkWay::kDatagram;
    out.address_bytes = static_cast<std::uint16_t>(target_bytes_);
    std::memcpy(out.address, &target_, target_bytes_);
    return true;
  }

  bool carries(const Origin& origin) const noexcept override {
    if (origin.family == 0) return true;
    if (origin.family != (is_v6() ? 6 : 4)) return false;
    switch (spec_.type) {
      case LinkType::kMcast:
      case LinkType::kMcast6:
        return origin.to_group && origin.target == target_ip();
      case LinkType::kUcast:
      case LinkType::kUcast6:
        return !origin.to_group && origin.source == target_ip();
      default: return origin.to_group && (origin.target[0] & 0xf0) != 0xe0;  // not a multicast
    }
  }

 private:
  [[nodiscard]] bool is_v6() const noexcept {
    return spec_.type == LinkType::kUcast6 || spec_.type == LinkType::kMcast6;
  }
  [[nodiscard]] bool is_multicast() const noexcept {
    return spec_.type == LinkType::kMcast || spec_.type == LinkType::kMcast6;
  }
  [[nodiscard]] Origin::IpAddress target_ip() const noexcept {
    Origin::IpAddress address{};
    if (is_v6()) {
      std::memcpy(address.data(), &reinterpret_cast<const sockaddr_in6&>(target_).sin6_addr, sizeof(in6_addr));
    } else {
      std::memcpy(address.data(), &reinterpret_cast<const sockaddr_in&>(target_).sin_addr, sizeof(in_addr));
    }
    return address;
  }
  [[nodiscard]] int family() const noexcept { return is_v6() ? AF_INET6 : AF_INET; }

  int keep_error(int error) noexcept {
    last_error_ = error;
    return error;
  }

  int set(int level, int option, int value) noexcept {
    return ::setsockopt(fd_, level, option, &value, sizeof(value)) == 0 ? 0 : errno;
  }

  int set_options() noexcept {
    static_cast<void>(set(SOL_SOCKET, SO_REUSEADDR, 1));
    // Two lines for one interface and port (bcast and ucast, or the own address beside the peer's) may live together.
    if (spec_.type == LinkType::kUcast || spec_.type == LinkType::kUcast6) {
      static_cast<void>(set(SOL_SOCKET, SO_REUSEPORT, 1));
    }
    static_cast<void>(set(SOL_SOCKET, SO_RCVBUF, kReceiveQueueBytes));
    static_cast<void>(set(SOL_SOCKET, SO_PRIORITY, 6));
    if (!is_v6()) static_cast<void>(set(IPPROTO_IP, IP_TOS, IPTOS_LOWDELAY));
    if (is_v6()) static_cast<void>(set(IPPROTO_IPV6, IPV6_V6ONLY, 1));
    enable_receive_stamps(fd_);
    enable_origins(fd_, family());
    if (spec_.type == LinkType::kBcast) {
      const int error = set(SOL_SOCKET, SO_BROADCAST, 1);
      if (error != 0) return error;
    }
    if (spec_.interface.empty()) return 0;
    const auto length = static_cast<socklen_t>(spec_.interface.size());
    return ::setsockopt(fd_, SOL_SOCKET, SO_BINDTODEVICE, spec_.interface.c_str(), length) == 0 ? 0 : errno;
  }

  int bind_local() noexcept {
    const std::uint16_t port = spec_.local_port != 0 ? spec_.local_port : spec_.port;
    sockaddr_storage local{};
    socklen_t bytes = 0;
    const int error = fill(spec_.local_address.view(), port, local, bytes);
    if (error != 0) return error;
    return ::bind(fd_, reinterpret_cast<const sockaddr*>(&local), bytes) == 0 ? 0 : errno;
  }

  int set_target() noexcept {
    if (spec_.type == LinkType::kBcast && spec_.address.empty()) return set_broadcast_target();
    return fill(spec_.address.view(), spec_.port, target_, target_bytes_);
  }

  int set_broadcast_target() noexcept {
    ifreq request{};
    std::memcpy(request.ifr_name, spec_.interface.c_str(), spec_.interface.size());
    auto* to = reinterpret_cast<sockaddr_in*>(&target_);
    target_bytes_ = sizeof(sockaddr_in);
    if (::ioctl(fd_, SIOCGIFBRDADDR, &request) == 0) {
      std::memcpy(to, &request.ifr_broadaddr, sizeof(sockaddr_in));
    } else {
      if (errno != EADDRNOTAVAIL) return errno;
      to->sin_addr.s_addr = htonl(INADDR_BROADCAST);
    }
    if (to->sin_addr.s_addr == 0) to->sin_addr.s_addr = htonl(INADDR_BROADCAST);
    to->sin_family = AF_INET;
    to->sin_port = htons(spec_.port);
    return 0;
  }

  // An empty address is "any". A scope is added where the address needs one.
  int fill(std::string_view address, std::uint16_t port, sockaddr_storage& out, socklen_t& bytes) noexcept {
    const AddressText text(address);
    if (is_v6()) {
      auto* to = reinterpret_cast<sockaddr_in6*>(&out);
      to->sin6_family = AF_INET6;
      to->sin6_port = htons(port);
      if (!text.empty() && ::inet_pton(AF_INET6, text.c_str(), &to->sin6_addr) != 1) return EINVAL;
      const bool scoped = IN6_IS_ADDR_LINKLOCAL(&to->sin6_addr) || IN6_IS_ADDR_MULTICAST(&to->sin6_addr);
      if (scoped && !spec_.interface.empty()) to->sin6_scope_id = ::if_nametoindex(spec_.interface.c_str());
      bytes = sizeof(sockaddr_in6);
      return 0;
    }
    auto* to = reinterpret_cast<sockaddr_in*>(&out);
    to->sin_family = AF_INET;
    to->sin_port = htons(port);
    if (!text.empty() && ::inet_pton(AF_INET, text.c_str(), &to->sin_addr) != 1) return EINVAL;
    bytes = sizeof(sockaddr_in);
    return 0;
  }

  int join() noexcept {
    const int index = static_cast<int>(::if_nametoindex(spec_.interface.c_str()));
    if (index == 0) return ENODEV;
    return is_v6() ? join6(index) : join4(index);
  }

  int join4(int index) noexcept {
    ip_mreqn group{};
    group.imr_multiaddr = reinterpret_cast<const sockaddr_in*>(&target_)->sin_addr;
    group.imr_ifindex = index;
    if (!IN_MULTICAST(ntohl(group.imr_multiaddr.s_addr))) return EINVAL;
    if (::setsockopt(fd_, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)) != 0) return errno;
    if (::setsockopt(fd_, IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof(group)) != 0) return errno;
    const int error = set(IPPROTO_IP, IP_MULTICAST_TTL, spec_.ttl);
    return error != 0 ? error : set(IPPROTO_IP, IP_MULTICAST_LOOP, spec_.loop ? 1 : 0);
  }

  int join6(int index) noexcept {
    ipv6_mreq group{};
    group.ipv6mr_multiaddr = reinterpret_cast<const sockaddr_in6*>(&target_)->sin6_addr;
    group.ipv6mr_interface = static_cast<unsigned>(index);
    if (!IN6_IS_ADDR_MULTICAST(&group.ipv6mr_multiaddr)) return EINVAL;
    if (::setsockopt(fd_, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &group, sizeof(group)) != 0) return errno;
    int error = set(IPPROTO_IPV6, IPV6_MULTICAST_IF, index);
    if (error == 0) error = set(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, spec_.ttl);
    return error != 0 ? error : set(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, spec_.loop ? 1 : 0);
  }

  sockaddr_storage target_{};
  socklen_t target_bytes_ = 0;
};

}  // namespace

std::unique_ptr<Link> make_udp_link(const LinkSpec& spec) noexcept {
  return std::make_unique<UdpLink>(spec);
}

}  // namespace twinbeat
