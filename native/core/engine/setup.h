// The engine's whole configuration, read from the bytes of src/engine/config-codec.ts. TypeScript has checked it for
// people; here every length and index is checked again, because a wrong one would corrupt memory.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "abi/abi.h"
#include "core/auth/keyring.h"
#include "core/base/bytes.h"
#include "core/base/clock.h"
#include "core/base/fixed_vector.h"
#include "core/base/status.h"
#include "core/peer/fixed_text.h"

namespace twinbeat {

using NodeName = FixedText<kMaxNodeNameBytes>;
using LinkName = FixedText<kMaxNodeNameBytes>;
using AddressText = FixedText<47>;
using InterfaceName = FixedText<15>;
using Uuid = std::array<std::uint8_t, 16>;

struct Timing {
  Micros keepalive = 0;
  Micros deadtime = 0;
  Micros warntime = 0;
  Micros initdead = 0;
  Micros deadping = 0;
  Micros rexmit_delay = 0;
};

struct NodeSpec {
  NodeName name;
  bool has_uuid = false;
  Uuid uuid{};
};

struct LinkSpec {
  LinkType type = LinkType::kBcast;
  LinkName name;
  InterfaceName interface;
  AddressText address;
  AddressText local_address;
  std::uint16_t port = 0;
  std::uint16_t local_port = 0;
  std::uint8_t ttl = 0;
  bool loop = false;
  int fd = -1;  // serial: whoever owns the Setup closes it
  std::uint32_t baud = 0;
  std::uint8_t channel = 0;
  std::uint8_t loss_percent = 0;
  std::uint8_t duplicate_percent = 0;
  std::uint32_t seed = 0;
  FixedVector<AddressText, kMaxHostsPerLink> hosts;

  // An open link may be kept for this spec. Serial lines are compared by device, not by descriptor.
  [[nodiscard]] bool same_as(const LinkSpec& other) const noexcept;
  [[nodiscard]] bool is_ping() const noexcept {
    return type == LinkType::kPing || type == LinkType::kPingGroup || type == LinkType::kPing6;
  }
};

// How fast a link can carry heartbeats: the time of one Linux-HA status on the line.
inline constexpr std::int64_t kStatusBytes = 300;
[[nodiscard]] Micros link_interval(const LinkSpec& link, const Timing& timing) noexcept;
[[nodiscard]] Micros link_dead_time(const LinkSpec& link, const Timing& timing) noexcept;

struct Setup {
  std::uint64_t revision = 0;
  NodeName self_name;
  Uuid self_uuid{};
  Timing timing;
  std::uint8_t hopfudge = 0;
  bool mute_after_pause = false;
  FixedVector<NodeSpec, kMaxNodes> nodes;
  Keyring keyring;
  FixedVector<LinkSpec, kMaxLinks> links;

  Setup() noexcept = default;
  ~Setup();  // closes descriptors that no link took over
  Setup(const Setup&) = delete;
  Setup& operator=(const Setup&) = delete;

  // Dead time to announce: what the slowest configured link needs.
  [[nodiscard]] Micros announced_dead_time() const noexcept;
  [[nodiscard]] std::size_t ping_nodes() const noexcept;
};

// kInvalid when the bytes do not make sense. Duplicates serial descriptors.
[[nodiscard]] Status parse_setup(Bytes bytes, Setup& setup) noexcept;

}  // namespace twinbeat
