#include "core/net/nl_message.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>

namespace twinbeat::net {
namespace {

constexpr size_t kHeaderBytes = sizeof(nlmsghdr);
constexpr size_t kAttributeHeaderBytes = sizeof(rtattr);
constexpr uint16_t kAttributeTypeMask = 0x3fff;  // the two top bits are nested and byte order

constexpr size_t align4(size_t bytes) noexcept { return (bytes + 3) & ~size_t{3}; }

bool read_u32(Bytes value, uint32_t& out) noexcept { return read_record(value, 0, out); }

uint8_t family_of(uint8_t kernel_family) noexcept {
  if (kernel_family == AF_INET) return 4;
  if (kernel_family == AF_INET6) return 6;
  return 0;
}

bool copy_address(Bytes value, uint8_t family, Address& out) noexcept {
  const size_t size = family == 4 ? 4 : 16;
  if (value.size() < size) return false;
  std::memcpy(out.bytes, value.data(), size);
  return true;
}

template <size_t N>
void copy_name(Bytes value, char (&out)[N]) noexcept {
  const size_t count = std::min(value.size(), N - 1);
  std::memcpy(out, value.data(), count);
  out[count] = '\0';
}

}  // namespace

void NlWriter::append(const void* bytes, size_t count) noexcept {
  const size_t padded = align4(count);
  if (overflow_ || buffer_.size() - used_ < padded) {
    overflow_ = true;
    return;
  }
  std::memcpy(buffer_.data() + used_, bytes, count);
  std::memset(buffer_.data() + used_ + count, 0, padded - count);
  used_ += padded;
}

void NlWriter::begin(uint16_t type, uint16_t flags, uint32_t sequence) noexcept {
  used_ = 0;
  overflow_ = false;
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = flags;
  header.nlmsg_seq = sequence;
  append(&header, sizeof(header));
}

void NlWriter::attribute(uint16_t type, const void* value, size_t bytes) noexcept {
  rtattr header{};
  header.rta_type = type;
  header.rta_len = static_cast<uint16_t>(kAttributeHeaderBytes + bytes);
  append(&header, sizeof(header));
  append(value, bytes);
}

size_t NlWriter::end() noexcept {
  if (overflow_) return 0;
  const auto length = static_cast<uint32_t>(used_);
  std::memcpy(buffer_.data() + offsetof(nlmsghdr, nlmsg_len), &length, sizeof(length));
  return used_;
}

bool NlMessages::next(NlMessage& out) noexcept {
  nlmsghdr header;
  if (!read_record(rest_, 0, header)) return false;
  if (header.nlmsg_len < kHeaderBytes || header.nlmsg_len > rest_.size()) return false;
  out.type = header.nlmsg_type;
  out.flags = header.nlmsg_flags;
  out.sequence = header.nlmsg_seq;
  out.port = header.nlmsg_pid;
  out.body = rest_.subspan(kHeaderBytes, header.nlmsg_len - kHeaderBytes);
  rest_ = rest_.subspan(std::min(align4(header.nlmsg_len), rest_.size()));
  return true;
}

NlAttributes::NlAttributes(Bytes body, size_t header) noexcept
    : rest_(body.subspan(std::min(align4(header), body.size()))) {}

bool NlAttributes::next(uint16_t& type, Bytes& value) noexcept {
  rtattr header;
  if (!read_record(rest_, 0, header)) return false;
  if (header.rta_len < kAttributeHeaderBytes || header.rta_len > rest_.size()) return false;
  type = header.rta_type & kAttributeTypeMask;
  value = rest_.subspan(kAttributeHeaderBytes, header.rta_len - kAttributeHeaderBytes);
  rest_ = rest_.subspan(std::min(align4(header.rta_len), rest_.size()));
  return true;
}

bool parse_address(const NlMessage& message, AddressRecord& out) noexcept {
  if (message.type != RTM_NEWADDR && message.type != RTM_DELADDR) return false;
  ifaddrmsg header;
  if (!read_record(message.body, 0, header)) return false;
  out = AddressRecord{};
  out.family = family_of(header.ifa_family);
  if (out.family == 0 || header.ifa_prefixlen > (out.family == 4 ? 32 : 128)) return false;
  out.removed = message.type == RTM_DELADDR;
  out.ifindex = header.ifa_index;
  out.prefix = header.ifa_prefixlen;
  out.scope = header.ifa_scope;
  out.flags = header.ifa_flags;
  bool has_local = false;
  bool has_peer = false;
  NlAttributes attributes(message.body, sizeof(header));
  uint16_t type = 0;
  Bytes value;
  while (attributes.next(type, value)) {
    if (type == IFA_LOCAL) {
      has_local = copy_address(value, out.family, out.address);
    } else if (type == IFA_ADDRESS) {
      has_peer = copy_address(value, out.family, out.peer);
    } else if (type == IFA_BROADCAST && out.family == 4 && value.size() >= 4) {
      std::memcpy(out.broadcast, value.data(), 4);
      out.has_broadcast = true;
    } else if (type == IFA_LABEL) {
      copy_name(value, out.label);
    } else if (type == IFA_FLAGS) {
      (void)read_u32(value, out.flags);
    } else if (type == IFA_RT_PRIORITY) {
      (void)read_u32(value, out.route_priority);
    } else if (type == IFA_PROTO && !value.empty()) {
      out.protocol = value[0];
    } else if (type == IFA_CACHEINFO) {
      ifa_cacheinfo info;
      if (read_record(value, 0, info)) {
        out.valid_lft_s = info.ifa_valid;
        out.preferred_lft_s = info.ifa_prefered;
      }
    }
  }
  if (!has_local && has_peer) out.address = out.peer;
  if (has_local && !has_peer) out.peer = out.address;
  return has_local || has_peer;
}

bool parse_interface(const NlMessage& message, InterfaceRecord& out) noexcept {
  if (message.type != RTM_NEWLINK && message.type != RTM_DELLINK) return false;
  ifinfomsg header;
  if (!read_record(message.body, 0, header) || header.ifi_index <= 0) return false;
  // Bridge ports are announced a second time in their bridge's family; that is not the link itself.
  if (header.ifi_family != AF_UNSPEC) return false;
  out = InterfaceRecord{};
  out.removed = message.type == RTM_DELLINK;
  out.ifindex = static_cast<uint32_t>(header.ifi_index);
  out.flags = header.ifi_flags;
  out.hardware = header.ifi_type;
  out.has_carrier = (header.ifi_flags & IFF_LOWER_UP) != 0;
  NlAttributes attributes(message.body, sizeof(header));
  uint16_t type = 0;
  Bytes value;
  while (attributes.next(type, value)) {
    if (type == IFLA_IFNAME) {
      copy_name(value, out.name);
    } else if (type == IFLA_ADDRESS && value.size() == sizeof(out.mac.bytes)) {
      std::memcpy(out.mac.bytes, value.data(), sizeof(out.mac.bytes));
      out.has_mac = true;
    } else if (type == IFLA_CARRIER && !value.empty()) {
      out.has_carrier = value[0] != 0;
    } else if (type == IFLA_CARRIER_UP_COUNT) {
      (void)read_u32(value, out.carrier_ups);
    }
  }
  return out.name[0] != '\0';
}

bool parse_route(const NlMessage& message, RouteRecord& out) noexcept {
  if (message.type != RTM_NEWROUTE) return false;
  rtmsg header;
  if (!read_record(message.body, 0, header)) return false;
  out = RouteRecord{};
  out.family = family_of(header.rtm_family);
  if (out.family == 0 || header.rtm_dst_len > (out.family == 4 ? 32 : 128)) return false;
  out.prefix = header.rtm_dst_len;
  out.type = header.rtm_type;
  NlAttributes attributes(message.body, sizeof(header));
  uint16_t type = 0;
  Bytes value;
  while (attributes.next(type, value)) {
    if (type == RTA_OIF) {
      (void)read_u32(value, out.ifindex);
    } else if (type == RTA_GATEWAY || type == RTA_VIA) {
      out.has_gateway = true;
    } else if (type == RTA_MULTIPATH && out.ifindex == 0) {
      rtnexthop hop;
      if (read_record(value, 0, hop) && hop.rtnh_ifindex > 0) {
        out.ifindex = static_cast<uint32_t>(hop.rtnh_ifindex);
        out.has_gateway = hop.rtnh_len > sizeof(hop);
      }
    }
  }
  return true;
}

bool parse_error(const NlMessage& message, int& error) noexcept {
  if (message.type != NLMSG_ERROR && message.type != NLMSG_DONE) return false;
  int32_t code = 0;
  if (!read_record(message.body, 0, code)) {
    if (message.type == NLMSG_ERROR) return false;
    code = 0;  // an old kernel ends a dump with an empty message
  }
  error = code < 0 && code > -4096 ? -code : 0;
  return true;
}

bool same_subnet(const Address& a, const Address& b, uint8_t prefix) noexcept {
  uint32_t mask = 0;
  for (uint8_t bit = 0; bit < prefix && bit < 32; ++bit) mask |= 0x80000000u >> bit;
  uint32_t left = 0;
  uint32_t right = 0;
  for (size_t i = 0; i < 4; ++i) {
    left = left << 8 | a.bytes[i];
    right = right << 8 | b.bytes[i];
  }
  return ((left ^ right) & mask) == 0;
}

bool is_terminated(const char* text, size_t capacity) noexcept {
  return std::memchr(text, '\0', capacity) != nullptr;
}

}  // namespace twinbeat::net
