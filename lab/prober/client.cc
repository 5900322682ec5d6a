#include "client.h"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "protocol.h"
#include "spaces.h"

namespace prober {

namespace {

// A SYN that is lost comes again after a second; a client in a hurry has long asked anew.
constexpr std::int64_t kAttemptNs = 100'000'000;
// In brief mode a hole of this many ticks is told, and whatever follows it.
constexpr std::int64_t kHoleTicks = 3;
constexpr std::uint16_t kIcmpId = 0x7062;

std::uint16_t checksum(const std::uint8_t* bytes, std::size_t size) {
  std::uint32_t sum = 0;
  for (std::size_t at = 0; at + 1 < size; at += 2) sum += static_cast<std::uint32_t>(bytes[at] << 8 | bytes[at + 1]);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

int open_socket(const Options& options) {
  const int family = options.target.family();
  if (options.probe == Probe::kUdp) return checked(socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "udp");
  const int protocol = family == AF_INET6 ? static_cast<int>(IPPROTO_ICMPV6) : static_cast<int>(IPPROTO_ICMP);
  return checked(socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol), "icmp");
}

}  // namespace

Client::Client(const Options& options, Journal& journal, int epoll)
    : options_{options}, journal_{journal}, epoll_{epoll}, sent_at_(kInFlight), attempts_(kAttempts) {
  if (options.probe == Probe::kUdp || options.probe == Probe::kIcmp) {
    fd_ = open_socket(options);
    set_option(fd_, SOL_SOCKET, SO_TIMESTAMPNS, 1);
  }
}

void Client::ask(std::int64_t at_ns) noexcept {
  if (options_.probe == Probe::kNone) return;
  ++seq_;
  sent_at_[seq_ % kInFlight] = at_ns;
  if (options_.raw) {
    Event event;
    event.kind = Kind::kSent;
    event.at_ns = at_ns;
    event.seq = seq_;
    journal_.put(event);
  }
  const auto* to = reinterpret_cast<const sockaddr*>(&options_.target.raw);
  switch (options_.probe) {
    case Probe::kUdp: {
      const Question question{kMagic, seq_};
      sendto(fd_, &question, sizeof question, MSG_DONTWAIT, to, options_.target.size);
      return;
    }
    case Probe::kIcmp: return ask_icmp();
    case Probe::kTcp: return ask_tcp(at_ns);
    case Probe::kNone: return;
  }
}

void Client::ask_icmp() noexcept {
  std::uint8_t packet[8 + sizeof(Question)] = {};
  const bool v6 = options_.target.family() == AF_INET6;
  packet[0] = v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
  packet[4] = kIcmpId >> 8;
  packet[5] = kIcmpId & 0xff;
  const Question question{kMagic, seq_};
  std::memcpy(packet + 8, &question, sizeof question);
  if (!v6) {  // for ICMPv6 the kernel does it, over a header that it alone knows
    const std::uint16_t sum = checksum(packet, sizeof packet);
    packet[2] = static_cast<std::uint8_t>(sum >> 8);
    packet[3] = static_cast<std::uint8_t>(sum & 0xff);
  }
  Endpoint to = options_.target;
  sendto(fd_, packet, sizeof packet, MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&to.raw), to.size);
}

void Client::ask_tcp(std::int64_t at_ns) noexcept {
  Attempt& attempt = attempts_[next_attempt_];
  const std::size_t slot = next_attempt_;
  next_attempt_ = (next_attempt_ + 1) % kAttempts;
  close_attempt(attempt);
  const int fd = socket(options_.target.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  attempt = {fd, seq_};
  const linger none{1, 0};  // no port waits out its time: a thousand connections a second would use them up
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  connect(fd, reinterpret_cast<const sockaddr*>(&options_.target.raw), options_.target.size);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kAttemptTag | slot;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  give_up(at_ns);
}

void Client::close_attempt(Attempt& attempt) noexcept {
  if (attempt.fd >= 0) close(attempt.fd);
  attempt.fd = -1;
}

void Client::give_up(std::int64_t at_ns) noexcept {
  for (Attempt& attempt : attempts_) {
    if (attempt.fd >= 0 && at_ns - sent_at_[attempt.seq % kInFlight] > kAttemptNs) close_attempt(attempt);
  }
}

void Client::serve(std::size_t slot) noexcept {
  Attempt& attempt = attempts_[slot];
  if (attempt.fd < 0) return;
  char name[kNameBytes];
  const ssize_t got = recv(attempt.fd, name, sizeof name, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got > 0) answered(attempt.seq, name, static_cast<std::size_t>(got), now_ns());
  close_attempt(attempt);
}

void Client::read(std::int64_t to_monotonic_ns) noexcept {
  std::uint8_t buffer[256];
  char control[128];
  for (;;) {
    iovec part{buffer, sizeof buffer};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t got = recvmsg(fd_, &header, MSG_DONTWAIT);
    if (got < 0) return;
    std::size_t skip = 0;
    if (options_.probe == Probe::kIcmp) {
      const bool v6 = options_.target.family() == AF_INET6;
      if (!v6) skip = static_cast<std::size_t>(buffer[0] & 15) * 4;
      if (buffer[skip] != (v6 ? static_cast<int>(ICMP6_ECHO_REPLY) : static_cast<int>(ICMP_ECHOREPLY))) continue;
      skip += 8;
    }
    Question question{};
    if (static_cast<std::size_t>(got) < skip + sizeof question) continue;
    std::memcpy(&question, buffer + skip, sizeof question);
    if (question.magic != kMagic) continue;
    skip += sizeof question;
    const auto* name = reinterpret_cast<const char*>(buffer + skip);
    answered(question.seq, name, static_cast<std::size_t>(got) - skip, stamp_of(header, to_monotonic_ns));
  }
}

void Client::answered(std::uint64_t seq, const char* name, std::size_t size, std::int64_t at_ns) noexcept {
  ++answered_;
  std::uint8_t node = kNobody;
  while (size > 0 && (name[size - 1] == '\n' || name[size - 1] == '\0')) --size;
  for (std::size_t at = 0; at < options_.nodes.size(); ++at) {
    const std::string& known = options_.nodes[at].name;
    if (known.size() == size && std::memcmp(known.data(), name, size) == 0) node = static_cast<std::uint8_t>(at);
  }
  const std::int64_t gap_ns = last_answer_ns_ == 0 ? -1 : at_ns - last_answer_ns_;
  const bool remarkable = node != last_node_ || gap_ns < 0 || gap_ns >= options_.every_ns * kHoleTicks;
  last_answer_ns_ = at_ns;
  last_node_ = node;
  if (options_.brief && !remarkable) return;
  Event event;
  event.kind = Kind::kAnswer;
  event.at_ns = at_ns;
  event.seq = seq;
  event.value = at_ns - sent_at_[seq % kInFlight];
  event.node = node;
  if (options_.brief) event.gap_ns = gap_ns;
  journal_.put(event);
}

}  // namespace prober
