// Netlink messages as bytes: written into a caller's buffer, read with every length checked.
// No socket, no state; what comes from the kernel is treated like what comes from a wire, because
// any process of the namespace may send to a netlink port.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "core/net/steps.h"

namespace twinbeat::net {

using Bytes = std::span<const uint8_t>;

// Copies a fixed record out of `bytes`; false when it does not fit.
template <typename T>
[[nodiscard]] bool read_record(Bytes bytes, size_t offset, T& out) noexcept {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return false;
  std::memcpy(&out, bytes.data() + offset, sizeof(T));
  return true;
}

// Writes one message. A write that does not fit makes end() return 0; nothing is written past the
// buffer.
class NlWriter {
 public:
  explicit NlWriter(std::span<uint8_t> buffer) noexcept : buffer_(buffer) {}

  void begin(uint16_t type, uint16_t flags, uint32_t sequence) noexcept;
  template <typename T>
  void body(const T& record) noexcept {
    append(&record, sizeof(T));
  }
  void attribute(uint16_t type, const void* value, size_t bytes) noexcept;
  void attribute_u32(uint16_t type, uint32_t value) noexcept {
    attribute(type, &value, sizeof(value));
  }
  // Fixes the length; returns the padded size of the message, 0 if it did not fit.
  [[nodiscard]] size_t end() noexcept;

 private:
  void append(const void* bytes, size_t count) noexcept;

  std::span<uint8_t> buffer_;
  size_t used_ = 0;
  bool overflow_ = false;
};

struct NlMessage {
  uint16_t type = 0;
  uint16_t flags = 0;
  uint32_t sequence = 0;
  uint32_t port = 0;
  Bytes body;
};

// Walks the messages of one datagram; stops at the first that lies about its length.
class NlMessages {
 public:
  explicit NlMessages(Bytes datagram) noexcept : rest_(datagram) {}
  [[nodiscard]] bool next(NlMessage& out) noexcept;

 private:
  Bytes rest_;
};

class NlAttributes {
 public:
  // `body` of a message, `header` bytes of which come before the attributes.
  NlAttributes(Bytes body, size_t header) noexcept;
  [[nodiscard]] bool next(uint16_t& type, Bytes& value) noexcept;

 private:
  Bytes rest_;
};

inline constexpr uint32_t kLifetimeForever = 0xffffffffu;

// One address as the kernel tells it, complete enough to add it again as it was.
struct AddressRecord {
  uint32_t ifindex = 0;
  uint32_t flags = 0;  // IFA_F_*
  uint32_t valid_lft_s = kLifetimeForever;
  uint32_t preferred_lft_s = kLifetimeForever;
  uint32_t route_priority = 0;
  uint8_t family = 0;  // 4 or 6
  uint8_t prefix = 0;
  uint8_t scope = 0;
  uint8_t protocol = 0;
  bool has_broadcast = false;
  bool removed = false;  // RTM_DELADDR
  Address address{};     // the local one
  Address peer{};        // IFA_ADDRESS: differs from `address` on point-to-point links
  uint8_t broadcast[4] = {};
  char label[kLabelBytes] = {};
};

struct InterfaceRecord {
  uint32_t ifindex = 0;
  uint32_t flags = 0;  // IFF_*
  uint32_t carrier_ups = 0;  // how often the carrier came: a short flap is one notice or none
  uint16_t hardware = 0;  // ARPHRD_*
  bool removed = false;  // RTM_DELLINK
  bool has_carrier = false;
  bool has_mac = false;
  Mac mac{};
  char name[kInterfaceNameBytes] = {};
};

struct RouteRecord {
  uint32_t ifindex = 0;
  uint8_t family = 0;
  uint8_t prefix = 0;
  uint8_t type = 0;  // RTN_*
  bool has_gateway = false;
};

// False: another kind of message, or one that does not hold together.
[[nodiscard]] bool parse_address(const NlMessage& message, AddressRecord& out) noexcept;
[[nodiscard]] bool parse_interface(const NlMessage& message, InterfaceRecord& out) noexcept;
[[nodiscard]] bool parse_route(const NlMessage& message, RouteRecord& out) noexcept;
// NLMSG_ERROR and NLMSG_DONE carry a negative errno; `error` gets it as a positive one.
[[nodiscard]] bool parse_error(const NlMessage& message, int& error) noexcept;

[[nodiscard]] inline bool same_address(uint8_t family, const Address& a,
                                       const Address& b) noexcept {
  return std::memcmp(a.bytes, b.bytes, family == 4 ? 4 : 16) == 0;
}
[[nodiscard]] inline bool same_mac(const Mac& a, const Mac& b) noexcept {
  return std::memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}
// IPv4 only: both in the network of that length.
[[nodiscard]] bool same_subnet(const Address& a, const Address& b, uint8_t prefix) noexcept;
// A fixed name with a NUL inside its field, as the kernel wants it; "" is one too.
[[nodiscard]] bool is_terminated(const char* text, size_t capacity) noexcept;
[[nodiscard]] inline bool same_name(const char* a, const char* b) noexcept {
  return std::strncmp(a, b, kInterfaceNameBytes) == 0;
}

}  // namespace twinbeat::net
