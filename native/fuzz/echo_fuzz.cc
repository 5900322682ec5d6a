// Datagrams of ICMP sockets; the first byte says which kind of socket. What counts as an answer lies inside the datagram,
// and a raw socket takes none that carries another identifier.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "core/link/echo.h"

using namespace twinbeat;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Bytes datagram{data + 1, size - 1};
  const EchoSocket socket{.ipv6 = (data[0] & 1) != 0, .raw = (data[0] & 2) != 0, .id = 0x4242};
  const Bytes answer = echo_reply_data(datagram, socket);
  if (answer.empty()) return 0;
  if (answer.data() + answer.size() != datagram.data() + datagram.size()) std::abort();
  if (answer.size() + kEchoHeaderBytes > datagram.size()) std::abort();
  const std::uint8_t* const header = answer.data() - kEchoHeaderBytes;
  if (header[0] != (socket.ipv6 ? 129 : 0)) std::abort();
  if (socket.raw && std::memcmp(&header[4], &socket.id, sizeof(socket.id)) != 0) std::abort();
  return 0;
}
