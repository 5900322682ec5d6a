#include "core/guard/page_reader.h"

#include <algorithm>
#include <cstring>

namespace twinbeat::guard {

namespace {

// A writer that is alive needs microseconds; a dead one never ends.
constexpr int kReadAttempts = 3;

bool is_sensible(const PlanAddress& address) noexcept {
  if (address.family != 4 && address.family != 6) return false;
  return address.group < kGroupsMax && address.prefix <= (address.family == 4 ? 32 : 128);
}

void copy_groups(const ReleasePlan& from, Plan& out) noexcept {
  for (std::size_t i = 0; i < kGroupsMax; ++i) {
    PlanGroup& group = out.groups[i];
    std::memcpy(&group, &from.groups[i], sizeof(group));
    group.used = group.used != 0 ? 1 : 0;
    // Unknown counts as the kind that has no last gasp.
    const bool known = group.kind == GroupKind::kAddress || group.kind == GroupKind::kKilled;
    if (!known) group.kind = GroupKind::kService;
    group.name[kGroupNameBytes - 1] = '\0';
  }
}

void copy_addresses(const ReleasePlan& from, Plan& out) noexcept {
  const std::size_t count = std::min<std::size_t>(from.address_count, kAddressesMax);
  out.address_count = 0;
  for (std::size_t i = 0; i < count; ++i) {
    PlanAddress& address = out.addresses[out.address_count];
    std::memcpy(&address, &from.addresses[i], sizeof(address));
    address.interface[kInterfaceBytes - 1] = '\0';
    if (is_sensible(address)) ++out.address_count;
  }
}

bool read_copy(const ReleasePlan& from, std::uint64_t than, Plan& scratch) noexcept {
  const std::uint64_t before = from.sequence.load(std::memory_order_acquire);
  if (before == 0 || before % 2 != 0) return false;
  scratch.revision = from.revision;
  if (scratch.revision <= than) return false;
  copy_groups(from, scratch);
  copy_addresses(from, scratch);
  std::atomic_thread_fence(std::memory_order_acquire);
  return from.sequence.load(std::memory_order_relaxed) == before;
}

// Of the guardian alone, which has one thread that reads.
Plan g_scratch;

}  // namespace

bool is_readable(const Page& page) noexcept {
  return page.magic == kPageMagic && page.layout_hash == layout_hash() && page.page_bytes == sizeof(Page);
}

bool read_plan(const Page& page, std::uint64_t than, Plan& out) noexcept {
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    const std::size_t current = page.current_plan.load(std::memory_order_acquire) % 2;
    if (!read_copy(page.plans[current], than, g_scratch)) continue;
    out = g_scratch;
    return true;
  }
  return false;
}

GroupSight read_group(const Page& page, std::size_t index) noexcept {
  const GroupWords& words = page.groups[index % kGroupsMax];
  constexpr auto order = std::memory_order_acquire;
  return {.held = words.held.load(order) != 0,
          .peer_ready = words.peer_ready.load(order) != 0,
          .agent_busy = words.agent_busy.load(order) != 0,
          .owned = words.owned.load(order) != 0,
          .claim_epoch = words.claim_epoch.load(order),
          .release_by = words.release_by_us.load(order),
          .owned_until = words.owned_until_us.load(order),
          .valid_until = words.valid_until_us.load(order)};
}

bool read_gasp(const Page& page, std::size_t index, GaspCopy& out) noexcept {
  const Gasp& gasp = page.groups[index % kGroupsMax].gasp;
  if (gasp.valid.load(std::memory_order_acquire) != 1) return false;
  out.claim_epoch = gasp.claim_epoch;
  out.datagram_bytes = gasp.datagram_bytes;
  out.line_bytes = gasp.line_bytes;
  if (out.datagram_bytes > kGaspBytesMax || out.line_bytes > kGaspBytesMax) return false;
  std::memcpy(out.datagram.data(), gasp.datagram, kGaspBytesMax);
  std::memcpy(out.line.data(), gasp.line, kGaspBytesMax);
  std::atomic_thread_fence(std::memory_order_acquire);
  return gasp.valid.load(std::memory_order_relaxed) == 1;
}

}  // namespace twinbeat::guard
