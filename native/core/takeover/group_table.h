// Everything that this node could ever add, as the controller wrote it ahead: unchangeable once published. The engine
// makes its releases of it, the netlink thread refuses additions that are not in it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "abi/guard_page.h"
#include "core/base/bytes.h"
#include "core/base/fixed_vector.h"
#include "core/net/steps.h"
#include "core/peer/fixed_text.h"
#include "core/takeover/plan.h"

namespace twinbeat {

inline constexpr std::size_t kGroupNameMax = guard::kGroupNameBytes - 1;
inline constexpr std::size_t kGroupDigestMax = 64;
inline constexpr std::size_t kTableAddresses = guard::kAddressesMax;

struct TableGroup {
  bool used = false;
  bool address_only = false;
  bool killed = false;  // services, all of them in a control group that the guardian ends
  FixedText<kGroupNameMax> name;
  FixedText<kGroupDigestMax> digest;
  std::uint32_t first = 0;  // of its addresses, which stand together
  std::uint32_t count = 0;
};

struct GroupTable {
  std::uint64_t revision = 0;
  std::array<TableGroup, kSlots> groups{};
  // As finished additions: a release turns them round.
  FixedVector<net::AddressStep, kTableAddresses> addresses;

  [[nodiscard]] std::span<const net::AddressStep> of(std::size_t slot) const noexcept {
    const TableGroup& group = groups[slot];
    return {addresses.begin() + group.first, group.used ? group.count : 0};
  }
  [[nodiscard]] bool holds(std::size_t slot, const net::AddressStep& step) const noexcept;
  [[nodiscard]] bool holds_anywhere(const net::AddressStep& step) const noexcept;
};

// Bytes of src/engine/authority-codec.ts. False if they make no sense or are more than fit; then `table` holds anything.
[[nodiscard]] bool parse_group_table(Bytes bytes, GroupTable& table) noexcept;
// Adds what stands in `from` for that slot and not in `table`; false when it does not fit.
[[nodiscard]] bool carry_over(const GroupTable& from, std::size_t slot, GroupTable& table) noexcept;
// The same for the guardian.
void fill_page_plan(const GroupTable& table, std::span<guard::PlanGroup, guard::kGroupsMax> groups,
                    FixedVector<guard::PlanAddress, guard::kAddressesMax>& addresses) noexcept;

}  // namespace twinbeat
