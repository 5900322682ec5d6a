// Clocks, priority, and sockets that live in other network namespaces: a socket belongs to the namespace in which it was
// made, wherever its thread goes afterwards.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "options.h"

namespace prober {

std::int64_t now_ns();
/// What to add to a CLOCK_REALTIME stamp of the kernel to have CLOCK_MONOTONIC.
std::int64_t realtime_to_monotonic_ns();

/// False where it is not allowed; the process then runs as any other.
bool take_realtime_priority(int priority);

/// Moves the calling thread; ends the process when that is impossible.
void enter(const std::string& netns);

/// All ends the process on failure, which can only be at the start.
int checked(int result, const char* what);
int open_route_monitor();
int open_packet_tap(const std::string& interface, int protocol);
/// The kernel's stamp of a packet as CLOCK_MONOTONIC; now, where it gave none.
std::int64_t stamp_of(const msghdr& header, std::int64_t to_monotonic_ns);
void set_option(int fd, int level, int name, int value);

}  // namespace prober
