// The one question before every plan: what forbids it at this moment? Pure but for the atomics of the board.
#pragma once

#include <span>

#include "core/base/clock.h"
#include "core/peer/peer_table.h"
#include "core/takeover/board.h"
#include "core/takeover/plan.h"

namespace twinbeat {

// What only the engine knows, at the moment of judging: after the links were drained and silence was judged.
struct GuardScene {
  Micros now = 0;
  Micros lateness = 0;     // worst of ours since the last heartbeat
  Micros stall_limit = 0;
  std::span<const Peer> peers;
};

// Whether an authority rests on the peer's silence, so that our own hearing must be beyond doubt.
[[nodiscard]] bool rests_on_silence(const PlanAuthority& authority) noexcept;

// kNone: nothing forbids it. `stamp` is the group's current one.
[[nodiscard]] Guard judge_guards(const TakePlan& plan, const PlanAuthority& authority, std::size_t slot,
                                 std::uint32_t stamp, const TakeoverBoard& board, const GuardScene& scene) noexcept;

// The guardian holds the removal of every address of this plan.
[[nodiscard]] bool is_written_ahead(const TakeoverBoard& board, std::size_t slot,
                                    std::span<const net::AddressStep> steps) noexcept;

// Which guard an errno of the netlink thread stands for; kNone: it is no refusal.
[[nodiscard]] Guard guard_of_errno(int error) noexcept;

}  // namespace twinbeat
