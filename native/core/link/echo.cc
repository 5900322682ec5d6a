#include "core/link/echo.h"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include <cstring>

namespace twinbeat {

namespace {

constexpr std::size_t kIpHeaderLeast = 20;

}  // namespace

Bytes echo_reply_data(Bytes datagram, const EchoSocket& socket) noexcept {
  if (socket.raw && !socket.ipv6) {
    if (datagram.empty()) return {};
    const std::size_t header = static_cast<std::size_t>(datagram[0] & 15) * 4;
    if (header < kIpHeaderLeast || datagram.size() < header) return {};
    datagram = datagram.subspan(header);
  }
  if (datagram.size() <= kEchoHeaderBytes) return {};
  const std::uint8_t wanted = socket.ipv6 ? std::uint8_t{ICMP6_ECHO_REPLY} : std::uint8_t{ICMP_ECHOREPLY};
  if (datagram[0] != wanted || datagram[1] != 0) return {};
  std::uint16_t id = 0;
  std::memcpy(&id, &datagram[4], sizeof(id));
  if (socket.raw && id != socket.id) return {};
  return datagram.subspan(kEchoHeaderBytes);
}

}  // namespace twinbeat
