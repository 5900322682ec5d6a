// Batched reading of a datagram socket with the kernel's receive stamps mapped to CLOCK_BOOTTIME.
#pragma once

#include <sys/socket.h>

#include "core/link/link.h"

namespace twinbeat {

class DatagramFilter {
 public:
  // The part of the datagram that is the message; empty to ignore it.
  [[nodiscard]] virtual Bytes payload(Bytes datagram, const sockaddr_storage& from) noexcept = 0;

 protected:
  ~DatagramFilter() = default;
};

// Asks for receive stamps. Failure only costs precision.
void enable_receive_stamps(int fd) noexcept;
// Asks for the addresses of each datagram. Without them it belongs to the link whose socket received it.
void enable_origins(int fd, int family) noexcept;
// One batch. True if more may wait; `error` gets the errno of a failed read, 0 otherwise.
[[nodiscard]] bool receive_batch(int fd, DatagramFilter* filter, PacketSink& sink, const Cycle& cycle,
                                 ReceiveArena& arena, int& error) noexcept;

}  // namespace twinbeat
