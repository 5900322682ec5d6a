#include "core/net/netlink.h"

#include <cerrno>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace twinbeat::net {
namespace {

// The kernel answers inside our send, so an answer that is not there after this long never comes.
constexpr timeval kReceivePatience{2, 0};
// Holds the acknowledgements of the largest datagram and a burst of a few thousand events.
constexpr int kReceiveBufferBytes = 1 << 20;
constexpr int kStraySkipMax = 64;       // datagrams of others, or late answers, before giving up
constexpr int kDumpAttemptsMax = 4;     // a dump disturbed by changes is started again
constexpr int kDumpDatagramsMax = 100000;

size_t address_bytes(uint8_t family) noexcept { return family == 4 ? 4 : 16; }
uint8_t kernel_family(uint8_t family) noexcept { return family == 4 ? AF_INET : AF_INET6; }

struct TableFill {
  AddressTable* table;
  uint8_t family;
};

void add_to_table(void* context, const NlMessage& message) {
  auto* fill = static_cast<TableFill*>(context);
  AddressRecord record;
  if (parse_address(message, record) && !record.removed && record.family == fill->family) {
    fill->table->add(record);
  }
}

struct InterfaceFill {
  InterfaceVisitor each;
  void* context;
};

void visit_interface(void* context, const NlMessage& message) {
  auto* fill = static_cast<InterfaceFill*>(context);
  InterfaceRecord record;
  if (parse_interface(message, record) && !record.removed) fill->each(fill->context, record);
}

}  // namespace

void AddressTable::clear() noexcept {
  count = 0;
  truncated = false;
  valid = false;
}

void AddressTable::add(const AddressRecord& record) noexcept {
  if (count == kAddressTableMax) {
    truncated = true;
    return;
  }
  records[count++] = record;
}

void AddressTable::erase(uint32_t index) noexcept {
  if (index < count) records[index] = records[--count];
}

const AddressRecord* AddressTable::find(uint8_t family, const Address& address,
                                        uint32_t ifindex) const noexcept {
  for (uint32_t i = 0; i < count; ++i) {
    const AddressRecord& record = records[i];
    if (record.family == family && (ifindex == 0 || record.ifindex == ifindex) &&
        same_address(family, record.address, address)) {
      return &record;
    }
  }
  return nullptr;
}

int NetlinkSocket::open(uint32_t groups) noexcept {
  close();
  fd_ = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd_ < 0) return errno;
  sockaddr_nl self{};
  self.nl_family = AF_NETLINK;
  self.nl_groups = groups;
  const int on = 1;
  // Short acknowledgements and strict requests are comforts: an older kernel does without.
  (void)::setsockopt(fd_, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
  (void)::setsockopt(fd_, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
  if (::setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBufferBytes, sizeof(int)) != 0) {
    (void)::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &kReceiveBufferBytes, sizeof(int));
  }
  if (::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &kReceivePatience, sizeof(timeval)) != 0 ||
      ::bind(fd_, reinterpret_cast<const sockaddr*>(&self), sizeof(self)) != 0) {
    const int error = errno;
    close();
    return error;
  }
  return 0;
}

void NetlinkSocket::close() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

int NetlinkSocket::send_all(Bytes messages) noexcept {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  for (;;) {
    const ssize_t sent = ::sendto(fd_, messages.data(), messages.size(), 0,
                                  reinterpret_cast<const sockaddr*>(&kernel), sizeof(kernel));
    if (sent >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

int NetlinkSocket::receive_from_kernel(Bytes& datagram, int flags) noexcept {
  for (int skipped = 0; skipped < kStraySkipMax;) {
    sockaddr_nl from{};
    socklen_t from_bytes = sizeof(from);
    const ssize_t got = ::recvfrom(fd_, buffer_, sizeof(buffer_), flags | MSG_TRUNC,
                                   reinterpret_cast<sockaddr*>(&from), &from_bytes);
    if (got < 0) {
      if (errno == EINTR) continue;
      return errno == EWOULDBLOCK ? EAGAIN : errno;
    }
    ++skipped;
    // Only the kernel has port 0; anybody may send to us, nobody else is believed.
    if (from_bytes != sizeof(from) || from.nl_pid != 0) continue;
    if (static_cast<size_t>(got) > sizeof(buffer_)) return EMSGSIZE;
    datagram = Bytes(buffer_, static_cast<size_t>(got));
    return 0;
  }
  return EAGAIN;
}

int NetlinkSocket::receive(Bytes& datagram) noexcept {
  return receive_from_kernel(datagram, MSG_DONTWAIT);
}

int NetlinkSocket::transact(Bytes messages, uint32_t first_sequence,
                            std::span<int> errors) noexcept {
  for (int& error : errors) error = EPROTO;  // stands if no answer comes
  if (fd_ < 0) return EBADF;
  if (const int error = send_all(messages); error != 0) return error;
  size_t missing = errors.size();
  for (size_t turn = 0; missing > 0 && turn < errors.size() + kStraySkipMax; ++turn) {
    Bytes datagram;
    if (const int error = receive_from_kernel(datagram, 0); error != 0) {
      return error == EAGAIN ? ETIMEDOUT : error;
    }
    NlMessages list(datagram);
    NlMessage message;
    while (list.next(message)) {
      int error = 0;
      const uint32_t index = message.sequence - first_sequence;
      if (index >= errors.size() || !parse_error(message, error)) continue;
      errors[index] = error;
      --missing;
      if (missing == 0) break;
    }
  }
  return missing == 0 ? 0 : EPROTO;
}

int NetlinkSocket::transact_one(Bytes message, uint32_t sequence) noexcept {
  int answer = 0;
  const int error = transact(message, sequence, std::span<int>(&answer, 1));
  return error != 0 ? error : answer;
}

int NetlinkSocket::request(Bytes message, uint32_t sequence, Visitor each, void* context) noexcept {
  if (fd_ < 0) return EBADF;
  if (const int error = send_all(message); error != 0) return error;
  bool disturbed = false;
  for (int datagrams = 0; datagrams < kDumpDatagramsMax; ++datagrams) {
    Bytes datagram;
    if (const int error = receive_from_kernel(datagram, 0); error != 0) {
      return error == EAGAIN ? ETIMEDOUT : error;
    }
    NlMessages list(datagram);
    NlMessage answer;
    while (list.next(answer)) {
      if (answer.sequence != sequence) continue;
      disturbed = disturbed || (answer.flags & NLM_F_DUMP_INTR) != 0;
      int error = 0;
      if (parse_error(answer, error)) return error != 0 ? error : (disturbed ? EAGAIN : 0);
      each(context, answer);
      if ((answer.flags & NLM_F_MULTI) == 0) return 0;  // not a dump: one answer is all
    }
  }
  return EPROTO;
}

int dump_addresses(NetlinkSocket& socket, uint8_t family, AddressTable& table) noexcept {
  TableFill fill{&table, family};
  int error = EAGAIN;
  for (int attempt = 0; attempt < kDumpAttemptsMax && error == EAGAIN; ++attempt) {
    uint8_t buffer[kAddressMessageBytesMax];
    table.clear();
    ifaddrmsg header{};
    header.ifa_family = kernel_family(family);
    NlWriter writer(buffer);
    const uint32_t sequence = socket.next_sequence();
    writer.begin(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, sequence);
    writer.body(header);
    error = socket.request(Bytes(buffer, writer.end()), sequence, add_to_table, &fill);
  }
  table.valid = error == 0;
  return error;
}

int dump_interfaces(NetlinkSocket& socket, InterfaceVisitor each, void* context) noexcept {
  InterfaceFill fill{each, context};
  int error = EAGAIN;
  for (int attempt = 0; attempt < kDumpAttemptsMax && error == EAGAIN; ++attempt) {
    uint8_t buffer[kAddressMessageBytesMax];
    ifinfomsg header{};
    header.ifi_family = AF_UNSPEC;
    NlWriter writer(buffer);
    const uint32_t sequence = socket.next_sequence();
    writer.begin(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, sequence);
    writer.body(header);
    error = socket.request(Bytes(buffer, writer.end()), sequence, visit_interface, &fill);
  }
  return error;
}

size_t encode_add(std::span<uint8_t> buffer, uint32_t sequence, uint16_t create_flags,
                  const AddressRecord& record) noexcept {
  const size_t size = address_bytes(record.family);
  ifaddrmsg header{};
  header.ifa_family = kernel_family(record.family);
  header.ifa_prefixlen = record.prefix;
  header.ifa_flags = static_cast<uint8_t>(record.flags);
  header.ifa_scope = record.scope;
  header.ifa_index = record.ifindex;
  NlWriter writer(buffer);
  writer.begin(RTM_NEWADDR, static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | create_flags),
               sequence);
  writer.body(header);
  writer.attribute(IFA_LOCAL, record.address.bytes, size);
  writer.attribute(IFA_ADDRESS, record.peer.bytes, size);
  if (record.family == 4) {
    if (record.has_broadcast) writer.attribute(IFA_BROADCAST, record.broadcast, 4);
    if (record.label[0] != '\0') {
      writer.attribute(IFA_LABEL, record.label, ::strnlen(record.label, kLabelBytes - 1) + 1);
    }
  }
  if (record.flags > 0xff) writer.attribute_u32(IFA_FLAGS, record.flags);
  if (record.route_priority != 0) writer.attribute_u32(IFA_RT_PRIORITY, record.route_priority);
  if (record.protocol != 0) writer.attribute(IFA_PROTO, &record.protocol, 1);
  if (record.valid_lft_s != kLifetimeForever || record.preferred_lft_s != kLifetimeForever) {
    ifa_cacheinfo info{};
    info.ifa_valid = record.valid_lft_s;
    info.ifa_prefered = record.preferred_lft_s;
    writer.attribute(IFA_CACHEINFO, &info, sizeof(info));
  }
  return writer.end();
}

size_t encode_remove(std::span<uint8_t> buffer, uint32_t sequence, RemoveMode mode,
                     const AddressRecord& record) noexcept {
  const size_t size = address_bytes(record.family);
  ifaddrmsg header{};
  header.ifa_family = kernel_family(record.family);
  header.ifa_prefixlen = record.prefix;
  header.ifa_index = record.ifindex;
  NlWriter writer(buffer);
  writer.begin(RTM_DELADDR, NLM_F_REQUEST | NLM_F_ACK, sequence);
  writer.body(header);
  writer.attribute(IFA_LOCAL, record.address.bytes, size);
  if (mode.exact_prefix) writer.attribute(IFA_ADDRESS, record.peer.bytes, size);
  return writer.end();
}

}  // namespace twinbeat::net
