#include "gaps.h"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "spaces.h"

namespace prober {

namespace {

constexpr std::uint32_t kVrrp = 112;
constexpr std::uint32_t kHeartbeatPort = 694;

void accept_heartbeats(int fd) {
  sock_filter code[] = {
      {BPF_LD | BPF_B | BPF_ABS, 0, 0, 14 + 9},
      {BPF_JMP | BPF_JEQ | BPF_K, 4, 0, kVrrp},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 4, IPPROTO_UDP},
      {BPF_LDX | BPF_B | BPF_MSH, 0, 0, 14},
      {BPF_LD | BPF_H | BPF_IND, 0, 0, 14 + 2},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, kHeartbeatPort},
      {BPF_RET | BPF_K, 0, 0, 0xffff},
      {BPF_RET | BPF_K, 0, 0, 0},
  };
  const sock_fprog program{sizeof code / sizeof code[0], code};
  checked(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), "filter");
}

}  // namespace

Gaps::Gaps(const Options& options, Journal& journal) : journal_{journal}, least_ns_{options.gap_ns} {
  fd_ = open_packet_tap(options.gaps.interface, ETH_P_IP);
  accept_heartbeats(fd_);
}

void Gaps::read(std::int64_t to_monotonic_ns) noexcept {
  std::uint8_t frame[64];
  char control[128];
  for (;;) {
    iovec part{frame, sizeof frame};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    if (recvmsg(fd_, &header, MSG_DONTWAIT) < static_cast<ssize_t>(sizeof(ethhdr))) return;
    seen(frame + 6, stamp_of(header, to_monotonic_ns));
  }
}

void Gaps::seen(const std::uint8_t* mac, std::int64_t at_ns) noexcept {
  for (Sender& sender : senders_) {
    if (sender.last_ns != 0 && std::memcmp(sender.mac, mac, sizeof sender.mac) != 0) continue;
    const std::int64_t gap_ns = at_ns - sender.last_ns;
    if (sender.last_ns != 0 && gap_ns >= least_ns_) {
      Event event;
      event.kind = Kind::kGap;
      event.at_ns = at_ns;
      event.value = gap_ns;
      std::memcpy(event.mac, mac, sizeof event.mac);
      journal_.put(event);
    }
    std::memcpy(sender.mac, mac, sizeof sender.mac);
    sender.last_ns = at_ns;
    return;
  }
}

}  // namespace prober
