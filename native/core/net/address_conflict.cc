#include "core/net/address_conflict.h"

#include <arpa/inet.h>
#include <cerrno>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/net/ndisc.h"

namespace twinbeat::net {
namespace {

constexpr int kFramesPerDrain = 128;  // bounded work; epoll comes back for the rest
constexpr uint32_t kSnapBytes = 256;  // headers, options; more of a frame is never looked at
// Room for a flood between two turns of the thread, small enough to stay cheap.
constexpr int kReceiveBufferBytes = 256 * 1024;

constexpr uint16_t kLoadWord = BPF_LD | BPF_W | BPF_ABS;
constexpr uint16_t kLoadByte = BPF_LD | BPF_B | BPF_ABS;
constexpr uint16_t kJumpEqual = BPF_JMP | BPF_JEQ | BPF_K;
constexpr uint16_t kReturn = BPF_RET | BPF_K;

constexpr uint32_t kArpSenderAddress = 14 + 14;
constexpr uint32_t kArpTargetAddress = 14 + 24;
constexpr uint32_t kIpv6NextHeader = 14 + 6;
constexpr uint32_t kIcmpType = 14 + 40;
constexpr uint32_t kIcmpTargetTail = 14 + 40 + 8 + 12;

class Program {
 public:
  void clear() noexcept { count_ = 0; }
  void add(uint16_t code, uint32_t value, uint8_t if_true = 0, uint8_t if_false = 0) noexcept {
    if (count_ < BPF_MAXINSNS) code_[count_++] = sock_filter{code, if_true, if_false, value};
  }
  // Accepts when the loaded word is one of these; falls through otherwise. Pairs of "equal, else
  // skip one" and "return" keep every jump short, whatever the length of the list.
  void accept_words(const WantedList& wanted, uint8_t family) noexcept {
    for (const WantedAddress& entry : wanted) {
      if (entry.family != family) continue;
      const uint8_t* tail = entry.address.bytes + (family == 4 ? 0 : 12);
      uint32_t word = 0;
      for (size_t i = 0; i < 4; ++i) word = word << 8 | tail[i];
      add(kJumpEqual, word, 0, 1);
      add(kReturn, kSnapBytes);
    }
  }
  int attach(int fd) noexcept {
    const sock_fprog program{static_cast<unsigned short>(count_), code_};
    const int done = ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
    return done == 0 ? 0 : errno;
  }

 private:
  size_t count_ = 0;
  sock_filter code_[BPF_MAXINSNS];
};

bool any_of_family(const WantedList& wanted, uint8_t family) noexcept {
  for (const WantedAddress& entry : wanted) {
    if (entry.family == family) return true;
  }
  return false;
}

void build_arp(Program& program, const WantedList& wanted) noexcept {
  program.clear();
  if (any_of_family(wanted, 4)) {
    program.add(kLoadWord, kArpSenderAddress);
    program.accept_words(wanted, 4);
    program.add(kJumpEqual, 0, 1, 0);  // a probe has no sender address
    program.add(kReturn, 0);
    program.add(kLoadWord, kArpTargetAddress);
    program.accept_words(wanted, 4);
  }
  program.add(kReturn, 0);
}

void build_neighbour(Program& program, const WantedList& wanted) noexcept {
  program.clear();
  if (any_of_family(wanted, 6)) {
    program.add(kLoadByte, kIpv6NextHeader);
    program.add(kJumpEqual, 58, 1, 0);
    program.add(kReturn, 0);
    program.add(kLoadByte, kIcmpType);
    program.add(kJumpEqual, 136, 2, 0);
    program.add(kJumpEqual, 135, 1, 0);
    program.add(kReturn, 0);
    // The last word of the target decides here, the whole address after the parser.
    program.add(kLoadWord, kIcmpTargetTail);
    program.accept_words(wanted, 6);
  }
  program.add(kReturn, 0);
}

int open_socket(uint16_t protocol, int& out) noexcept {
  // Protocol 0 receives nothing: the filter stands before bind() names the protocol.
  const int fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return errno;
  sock_filter nothing{kReturn, 0, 0, 0};
  const sock_fprog program{1, &nothing};
  sockaddr_ll self{};
  self.sll_family = AF_PACKET;
  self.sll_protocol = htons(protocol);
  (void)::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBufferBytes, sizeof(int));
  if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0 ||
      ::bind(fd, reinterpret_cast<const sockaddr*>(&self), sizeof(self)) != 0) {
    const int error = errno;
    ::close(fd);
    return error;
  }
  out = fd;
  return 0;
}

}  // namespace

int ConflictListener::open() noexcept {
  close();
  malformed_ = 0;
  int error = open_socket(ETH_P_ARP, arp_fd_);
  if (error == 0) error = open_socket(ETH_P_IPV6, neighbour_fd_);
  if (error != 0) close();
  return error;
}

void ConflictListener::close() noexcept {
  if (arp_fd_ >= 0) ::close(arp_fd_);
  if (neighbour_fd_ >= 0) ::close(neighbour_fd_);
  arp_fd_ = -1;
  neighbour_fd_ = -1;
}

int ConflictListener::listen_for(const WantedList& wanted) noexcept {
  if (arp_fd_ < 0) return EBADF;
  Program program;  // 32 KiB of stack, rarely
  build_arp(program, wanted);
  const int arp_error = program.attach(arp_fd_);
  build_neighbour(program, wanted);
  const int neighbour_error = program.attach(neighbour_fd_);
  return arp_error != 0 ? arp_error : neighbour_error;
}

void ConflictListener::drain(ClaimSink& sink) noexcept {
  if (arp_fd_ >= 0) drain_socket(arp_fd_, 4, sink);
  if (neighbour_fd_ >= 0) drain_socket(neighbour_fd_, 6, sink);
}

void ConflictListener::drain_socket(int fd, uint8_t family, ClaimSink& sink) noexcept {
  for (int count = 0; count < kFramesPerDrain; ++count) {
    uint8_t frame[kSnapBytes];
    sockaddr_ll from{};
    socklen_t from_bytes = sizeof(from);
    const ssize_t got = ::recvfrom(fd, frame, sizeof(frame), MSG_DONTWAIT,
                                   reinterpret_cast<sockaddr*>(&from), &from_bytes);
    if (got < 0) return;
    // Our own frames, and those of a VLAN that has no device here.
    if (from.sll_pkttype == PACKET_OUTGOING || from.sll_pkttype == PACKET_OTHERHOST) continue;
    HeardClaim heard;
    const Bytes bytes(frame, static_cast<size_t>(got));
    if (!(family == 4 ? parse_arp(bytes, heard.claim) : parse_neighbour(bytes, heard.claim))) {
      ++malformed_;
      continue;
    }
    heard.ifindex = static_cast<uint32_t>(from.sll_ifindex);
    sink.claim_heard(heard);
  }
}

}  // namespace twinbeat::net
