// What an ICMP echo socket received: the data of an echo reply that answers us. Pure.
#pragma once

#include <cstdint>

#include "core/base/bytes.h"

namespace twinbeat {

inline constexpr std::size_t kEchoHeaderBytes = 8;

struct EchoSocket {
  bool ipv6 = false;
  // A raw socket sees every reply that this machine gets, and with IPv4 also the IP header; the unprivileged one only
  // our own replies, under an identifier that the kernel chose.
  bool raw = true;
  std::uint16_t id = 0;  // as it stands in the packet
};

// Empty for everything else.
[[nodiscard]] Bytes echo_reply_data(Bytes datagram, const EchoSocket& socket) noexcept;

}  // namespace twinbeat
