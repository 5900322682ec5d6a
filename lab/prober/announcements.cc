#include "announcements.h"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/icmp6.h>
#include <sys/socket.h>

#include <cstring>

#include "spaces.h"

namespace prober {

namespace {

constexpr std::size_t kArpBytes = 42;
constexpr std::size_t kTargetAddressAt = 38;
constexpr std::size_t kSenderMacAt = 22;
constexpr std::size_t kSenderAddressAt = 28;
constexpr std::size_t kOperationAt = 21;
constexpr std::size_t kIcmp6At = 14 + 40;
// Type, code, checksum, flags, target, then the option with the target's MAC.
constexpr std::size_t kAdvertisementBytes = kIcmp6At + 24 + 8;
constexpr std::uint8_t kReply = 2;

// Locally administered, so no interface of the lab has it; the address is of a block for documentation.
constexpr std::uint8_t kAskerMac[6] = {0x02, 0x70, 0x72, 0x6f, 0x62, 0x65};
constexpr std::uint8_t kAskerAddress[4] = {192, 0, 2, 77};

int open_ip6_tap(const std::string& interface) {
  const int fd = open_packet_tap(interface, ETH_P_IPV6);
  // Next header ICMPv6, type neighbour advertisement; all else never wakes us.
  sock_filter code[] = {
      {BPF_LD | BPF_B | BPF_ABS, 0, 0, 14 + 6},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, IPPROTO_ICMPV6},
      {BPF_LD | BPF_B | BPF_ABS, 0, 0, kIcmp6At},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, ND_NEIGHBOR_ADVERT},
      {BPF_RET | BPF_K, 0, 0, 0xffff},
      {BPF_RET | BPF_K, 0, 0, 0},
  };
  const sock_fprog program{sizeof code / sizeof code[0], code};
  checked(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), "filter");
  return fd;
}

}  // namespace

Announcements::Announcements(const PortSpec& port, Where where, const Options& options, Journal& journal)
    : addresses_{options.addresses}, journal_{journal}, where_{where} {
  arp_ = open_packet_tap(port.interface, ETH_P_ARP);
  for (const Endpoint& address : addresses_) {
    if (address.family() == AF_INET6 && ip6_ < 0) ip6_ = open_ip6_tap(port.interface);
  }
}

void Announcements::read(int fd, std::int64_t to_monotonic_ns) noexcept {
  std::uint8_t frame[256];
  char control[128];
  sockaddr_ll from{};
  for (;;) {
    iovec part{frame, sizeof frame};
    msghdr header{};
    header.msg_name = &from;
    header.msg_namelen = sizeof from;
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t got = recvmsg(fd, &header, MSG_DONTWAIT);
    if (got <= 0) return;
    if (from.sll_pkttype == PACKET_OUTGOING && where_ == Where::kClient) continue;
    const std::int64_t at_ns = stamp_of(header, to_monotonic_ns);
    const auto size = static_cast<std::size_t>(got);
    if (fd == arp_) read_arp(frame, size, at_ns);
    else read_advertisement(frame, size, at_ns);
  }
}

void Announcements::read_arp(const std::uint8_t* frame, std::size_t size, std::int64_t at_ns) noexcept {
  if (size < kArpBytes) return;
  for (std::size_t at = 0; at < addresses_.size(); ++at) {
    const Endpoint& address = addresses_[at];
    if (address.family() != AF_INET || std::memcmp(frame + kSenderAddressAt, address.bytes(), 4) != 0) continue;
    const bool announced = std::memcmp(frame + kTargetAddressAt, address.bytes(), 4) == 0;
    if (announced) put(Kind::kGarp, at, frame + kSenderMacAt, at_ns);
    else if (frame[kOperationAt] == kReply) put(Kind::kArp, at, frame + kSenderMacAt, at_ns);
    return;
  }
}

void Announcements::read_advertisement(const std::uint8_t* frame, std::size_t size, std::int64_t at_ns) noexcept {
  if (size < kAdvertisementBytes) return;
  const std::uint8_t* target = frame + kIcmp6At + 8;
  const std::uint8_t* option = target + 16;
  if (option[0] != ND_OPT_TARGET_LINKADDR) return;
  for (std::size_t at = 0; at < addresses_.size(); ++at) {
    const Endpoint& address = addresses_[at];
    if (address.family() != AF_INET6 || std::memcmp(target, address.bytes(), 16) != 0) continue;
    const bool solicited = (frame[kIcmp6At + 4] & 0x40) != 0;
    put(solicited ? Kind::kArp : Kind::kGarp, at, option + 2, at_ns);
    return;
  }
}

void Announcements::put(Kind kind, std::size_t address, const std::uint8_t* mac, std::int64_t at_ns) noexcept {
  Event event;
  event.kind = kind;
  event.at_ns = at_ns;
  event.address = static_cast<std::uint16_t>(address);
  event.where = where_;
  std::memcpy(event.mac, mac, sizeof event.mac);
  journal_.put(event);
}

void Announcements::ask() noexcept {
  if (addresses_.empty() || addresses_.front().family() != AF_INET) return;
  std::uint8_t frame[kArpBytes] = {};
  std::memset(frame, 0xff, 6);
  std::memcpy(frame + 6, kAskerMac, 6);
  const std::uint8_t fixed[] = {0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1};
  std::memcpy(frame + 12, fixed, sizeof fixed);
  std::memcpy(frame + kSenderMacAt, kAskerMac, 6);
  std::memcpy(frame + kSenderAddressAt, kAskerAddress, 4);
  std::memcpy(frame + kTargetAddressAt, addresses_.front().bytes(), 4);
  send(arp_, frame, sizeof frame, MSG_DONTWAIT);
}

}  // namespace prober
