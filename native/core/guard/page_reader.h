// The guardian's side of the shared page. The page was written by a process that may have died in any instruction or
// have gone mad before: nothing read here is believed, every count, index and name is brought into bounds.
#pragma once

#include <array>

#include "abi/guard_page.h"
#include "core/base/bytes.h"
#include "core/base/clock.h"

namespace twinbeat::guard {

// A release plan in the guardian's own memory.
struct Plan {
  std::uint64_t revision = 0;
  std::uint32_t address_count = 0;
  std::array<PlanGroup, kGroupsMax> groups{};
  std::array<PlanAddress, kAddressesMax> addresses{};
};

struct GroupSight {
  bool held = false;
  bool peer_ready = false;
  bool agent_busy = false;
  bool owned = false;
  std::uint64_t claim_epoch = 0;
  Micros release_by = 0;
  Micros owned_until = 0;
  Micros valid_until = 0;
};

struct GaspCopy {
  std::uint64_t claim_epoch = 0;
  std::uint16_t datagram_bytes = 0;
  std::uint16_t line_bytes = 0;
  std::array<std::uint8_t, kGaspBytesMax> datagram{};
  std::array<std::uint8_t, kGaspBytesMax> line{};
};

// Of this layout, and as long as it says.
[[nodiscard]] bool is_readable(const Page& page) noexcept;

// A whole copy newer than `than`. False leaves `out` alone: there is none, it is being written, or it is damaged.
// An address that makes no sense is left out: the others still have to be removed.
[[nodiscard]] bool read_plan(const Page& page, std::uint64_t than, Plan& out) noexcept;
[[nodiscard]] GroupSight read_group(const Page& page, std::size_t index) noexcept;
[[nodiscard]] bool read_gasp(const Page& page, std::size_t index, GaspCopy& out) noexcept;

}  // namespace twinbeat::guard
