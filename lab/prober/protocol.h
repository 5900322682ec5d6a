// What the prober and its responder say to each other.
#pragma once

#include <cstddef>
#include <cstdint>

namespace prober {

/// Comes back as it went, followed by the name of the node that answered.
struct Question {
  std::uint64_t magic;
  std::uint64_t seq;
};

inline constexpr std::uint64_t kMagic = 0x7477696e62656174;
inline constexpr std::size_t kNameBytes = 64;
/// Marks a TCP connection in what epoll hands back; the rest is its slot.
inline constexpr std::uint64_t kAttemptTag = std::uint64_t{1} << 32;

}  // namespace prober
