#include "core/takeover/group_table.h"

#include <algorithm>
#include <cstring>

#include "core/base/wire_reader.h"
#include "core/net/nl_message.h"
#include "core/net/step_codec.h"

namespace twinbeat {

namespace {

template <std::size_t Capacity>
bool take_text(WireReader& in, FixedText<Capacity>& out) noexcept {
  const std::string_view text = in.text();
  if (text.size() > Capacity || text.find('\0') != std::string_view::npos) return false;
  out.assign(text);
  return in.ok();
}

bool take_group(WireReader& in, GroupTable& table) noexcept {
  const std::size_t slot = in.u8();
  if (!in.ok() || slot >= kSlots || table.groups[slot].used) return false;
  TableGroup& group = table.groups[slot];
  const std::uint8_t kind = in.u8();
  if (kind > 2) return false;
  group.address_only = kind == 1;
  group.killed = kind == 2;
  if (!take_text(in, group.name) || group.name.empty() || !take_text(in, group.digest)) return false;
  const Bytes steps = in.raw(in.u32());
  if (!in.ok()) return false;
  std::array<net::AddressStep, net::kBatchStepsMax> parsed;
  const std::uint32_t count = steps.empty() ? 0 : net::parse_steps(steps, parsed);
  if (!steps.empty() && count == 0) return false;
  group.used = true;
  group.first = static_cast<std::uint32_t>(table.addresses.size());
  group.count = count;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (parsed[i].op != net::StepOp::kAdd || parsed[i].interface[0] == '\0') return false;
    if (table.addresses.push_back(parsed[i]) != Status::kOk) return false;
  }
  return true;
}

bool is_same(const net::AddressStep& a, const net::AddressStep& b) noexcept {
  return a.family == b.family && net::same_address(a.family, a.address, b.address) &&
         std::strncmp(a.interface, b.interface, net::kInterfaceNameBytes) == 0;
}

}  // namespace

bool GroupTable::holds(std::size_t slot, const net::AddressStep& step) const noexcept {
  if (slot >= kSlots) return false;
  const auto own = of(slot);
  return std::any_of(own.begin(), own.end(), [&](const net::AddressStep& one) { return is_same(one, step); });
}

bool GroupTable::holds_anywhere(const net::AddressStep& step) const noexcept {
  return std::any_of(addresses.begin(), addresses.end(),
                     [&](const net::AddressStep& one) { return is_same(one, step); });
}

bool parse_group_table(Bytes bytes, GroupTable& table) noexcept {
  WireReader in(bytes);
  table.revision = in.u64();
  const std::size_t count = in.u8();
  if (!in.ok() || table.revision == 0 || count > kSlots) return false;
  for (std::size_t i = 0; i < count; ++i) {
    if (!take_group(in, table)) return false;
  }
  return in.ok() && in.remaining() == 0;
}

bool carry_over(const GroupTable& from, std::size_t slot, GroupTable& table) noexcept {
  const TableGroup& before = from.groups[slot];
  if (!before.used) return true;
  TableGroup& group = table.groups[slot];
  FixedVector<net::AddressStep, net::kBatchStepsMax> all;
  for (const net::AddressStep& step : table.of(slot)) static_cast<void>(all.push_back(step));
  const std::size_t known = all.size();
  for (const net::AddressStep& step : from.of(slot)) {
    if (table.holds(slot, step)) continue;
    if (all.push_back(step) != Status::kOk) return false;
  }
  if (group.used && all.size() == known) return true;
  if (!group.used) {
    group = before;
  }
  group.first = static_cast<std::uint32_t>(table.addresses.size());
  group.count = static_cast<std::uint32_t>(all.size());
  for (const net::AddressStep& step : all) {
    if (table.addresses.push_back(step) != Status::kOk) return false;
  }
  return true;
}

void fill_page_plan(const GroupTable& table, std::span<guard::PlanGroup, guard::kGroupsMax> groups,
                    FixedVector<guard::PlanAddress, guard::kAddressesMax>& addresses) noexcept {
  static_assert(kSlots == guard::kGroupsMax);
  addresses.clear();
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    const TableGroup& group = table.groups[slot];
    guard::PlanGroup& out = groups[slot];
    out = {};
    out.used = group.used ? 1 : 0;
    out.kind = group.address_only ? guard::GroupKind::kAddress
               : group.killed     ? guard::GroupKind::kKilled
                                  : guard::GroupKind::kService;
    std::memcpy(out.name, group.name.view().data(), group.name.size());
    for (const net::AddressStep& step : table.of(slot)) {
      guard::PlanAddress address{};
      address.family = step.family;
      address.prefix = step.prefix;
      address.group = static_cast<std::uint8_t>(slot);
      std::memcpy(address.bytes, step.address.bytes, sizeof(address.bytes));
      std::memcpy(address.interface, step.interface, sizeof(address.interface));
      static_cast<void>(addresses.push_back(address));
    }
  }
}

}  // namespace twinbeat
