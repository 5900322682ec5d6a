// A ping node: an ICMP echo whose data is a signed message that pretends to come from it, so that the reply is its
// heartbeat. A group sends to all of its hosts; any reply keeps it alive.
#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/link/echo.h"
#include "core/link/links.h"
#include "core/link/receive.h"

namespace twinbeat {

namespace {

constexpr std::size_t kEchoBytes = 2048;  // the message is 100 to 200 bytes
constexpr int kRawIcmpFilter = 1;  // ICMP_FILTER of <linux/icmp.h>, which clashes with <netinet/ip_icmp.h>

std::uint16_t checksum(Bytes bytes) noexcept {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    const std::uint32_t low = i + 1 < bytes.size() ? bytes[i + 1] : 0;
    sum += static_cast<std::uint32_t>(bytes[i]) << 8 | low;
  }
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

class PingLink final : public Link, private DatagramFilter {
 public:
  PingLink(const LinkSpec& spec, std::uint16_t instance) noexcept
      : Link(spec), id_(static_cast<std::uint16_t>(static_cast<unsigned>(::getpid()) + instance)) {}

  int open() noexcept override {
    close();
    const int protocol = is_v6() ? static_cast<int>(IPPROTO_ICMPV6) : static_cast<int>(IPPROTO_ICMP);
    constexpr int kFlags = SOCK_NONBLOCK | SOCK_CLOEXEC;
    raw_ = true;
    fd_ = ::socket(is_v6() ? AF_INET6 : AF_INET, SOCK_RAW | kFlags, protocol);
    if (fd_ < 0 && (errno == EPERM || errno == EACCES)) {
      raw_ = false;  // the unprivileged echo socket, where net.ipv4.ping_group_range allows it
      fd_ = ::socket(is_v6() ? AF_INET6 : AF_INET, SOCK_DGRAM | kFlags, protocol);
    }
    if (fd_ < 0) return last_error_ = errno;
    if (raw_) set_filter();
    enable_receive_stamps(fd_);
    return last_error_ = 0;
  }

  SendResult send(const Outgoing& out, const Cycle&) noexcept override {
    if (kEchoHeaderBytes + out.netstring.size() > kEchoBytes) return SendResult::kDropped;
    std::array<std::uint8_t, kEchoBytes> packet;
    ++sequence_;
    packet[0] = is_v6() ? std::uint8_t{ICMP6_ECHO_REQUEST} : std::uint8_t{ICMP_ECHO};
    packet[1] = packet[2] = packet[3] = 0;
    std::memcpy(&packet[4], &id_, sizeof(id_));  // host byte order, as a real node writes it
    packet[6] = static_cast<std::uint8_t>(sequence_ >> 8);
    packet[7] = static_cast<std::uint8_t>(sequence_);
    std::memcpy(&packet[kEchoHeaderBytes], out.netstring.data(), out.netstring.size());
    const Bytes whole{packet.data(), kEchoHeaderBytes + out.netstring.size()};
    if (!is_v6()) {  // the kernel fills in ICMPv6's
      const std::uint16_t sum = checksum(whole);
      packet[2] = static_cast<std::uint8_t>(sum >> 8);
      packet[3] = static_cast<std::uint8_t>(sum);
    }
    SendResult result = SendResult::kLost;
    for (const AddressText& host : spec_.hosts) {
      const SendResult one = send_to(host, whole);
      if (result != SendResult::kSent) result = one;
    }
    return result;
  }

  bool receive(PacketSink& sink, const Cycle& cycle, ReceiveArena& arena) noexcept override {
    int error = 0;
    return receive_batch(fd_, this, sink, cycle, arena, error);
  }

 private:
  [[nodiscard]] bool is_v6() const noexcept { return spec_.type == LinkType::kPing6; }

  void set_filter() noexcept {
    if (is_v6()) {
      icmp6_filter filter;
      ICMP6_FILTER_SETBLOCKALL(&filter);
      ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
      static_cast<void>(::setsockopt(fd_, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter)));
      return;
    }
    const std::uint32_t blocked = ~(1U << ICMP_ECHOREPLY);
    static_cast<void>(::setsockopt(fd_, SOL_RAW, kRawIcmpFilter, &blocked, sizeof(blocked)));
  }

  SendResult send_to(const AddressText& host, Bytes packet) noexcept {
    sockaddr_in6 v6{};
    sockaddr_in v4{};
    const sockaddr* to = reinterpret_cast<const sockaddr*>(&v4);
    socklen_t bytes = sizeof(v4);
    if (is_v6()) {
      v6.sin6_family = AF_INET6;
      if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) != 1) return SendResult::kLost;
      to = reinterpret_cast<const sockaddr*>(&v6);
      bytes = sizeof(v6);
    } else {
      v4.sin_family = AF_INET;
      if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) != 1) return SendResult::kLost;
    }
    const ssize_t sent = ::sendto(fd_, packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL, to, bytes);
    if (sent >= 0) return SendResult::kSent;
    // No route to the host is the ping node's silence, not a broken link.
    last_error_ = errno;
    return SendResult::kLost;
  }

  // Who it claims to come from is in the signed data, which the engine checks.
  Bytes payload(Bytes datagram, const sockaddr_storage&) noexcept override {
    return echo_reply_data(datagram, {.ipv6 = is_v6(), .raw = raw_, .id = id_});
  }

  std::uint16_t id_;
  std::uint16_t sequence_ = 0;
  bool raw_ = true;
};

}  // namespace

std::unique_ptr<Link> make_ping_link(const LinkSpec& spec, std::uint16_t instance) noexcept {
  return std::make_unique<PingLink>(spec, instance);
}

}  // namespace twinbeat
