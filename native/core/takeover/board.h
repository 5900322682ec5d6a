// What controller, engine and netlink thread share about taking and letting go. Everything here is either atomic or
// unchangeable once it was published, so that no thread ever waits for another.
//
//   slots        controller arms and disarms, engine claims
//   marks        controller writes a mark, engine takes it
//   unclaimed    engine writes, controller reads
//   lease        controller renews, engine ends it; exactly one of the two wins
//   ownership    controller renews, engine ends it; likewise
//   table        controller publishes; engine and netlink thread read, and say from which revision on they still do
//   interfaces   see interface_board.h
//   page         see core/guard/page_writer.h
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "core/base/clock.h"
#include "core/guard/page_writer.h"
#include "core/takeover/group_table.h"
#include "core/takeover/interface_board.h"
#include "core/takeover/plan.h"
#include "core/takeover/plan_slot.h"

namespace twinbeat {

// One order to fire. `epoch` is written last and taken back by the engine.
struct FireMark {
  std::atomic<std::uint64_t> epoch{0};  // 0: none
  std::atomic<std::uint8_t> kind{0};
  std::atomic<std::uint64_t> peer_generation{0};
  std::atomic<Micros> not_after{0};
};

// The controller's sign of life. It begins with the first renewal; before that nobody is late.
class ControllerLease {
 public:
  static constexpr Micros kLapsed = -1;

  // Controller. False: too late, this life is over.
  [[nodiscard]] bool renew(Micros now) noexcept {
    Micros seen = renewed_at_.load(std::memory_order_acquire);
    while (seen != kLapsed) {
      if (seen >= now) return true;
      if (renewed_at_.compare_exchange_weak(seen, now, std::memory_order_acq_rel)) return true;
    }
    return false;
  }
  // Engine. True: nothing was renewed since `seen`, and nothing ever will be.
  [[nodiscard]] bool end(Micros seen) noexcept {
    return renewed_at_.compare_exchange_strong(seen, kLapsed, std::memory_order_acq_rel);
  }
  // Any thread.
  [[nodiscard]] Micros renewed_at() const noexcept { return renewed_at_.load(std::memory_order_acquire); }
  [[nodiscard]] bool ended() const noexcept { return renewed_at() == kLapsed; }
  [[nodiscard]] bool fresh(Micros now) const noexcept {
    const Micros at = renewed_at();
    const Micros limit = withhold_us.load(std::memory_order_acquire);
    return at != kLapsed && (at == 0 || limit == 0 || now - at < limit);
  }

  // Controller writes; 0: no such limit.
  std::atomic<Micros> withhold_us{0};
  std::atomic<Micros> release_us{0};
  std::atomic<Micros> reset_us{0};

 private:
  std::atomic<Micros> renewed_at_{0};
};

// The arbiter's word for one group: ours until then.
class Ownership {
 public:
  static constexpr Micros kNone = 0;
  static constexpr Micros kExpired = -1;

  // Controller; `deadline` was judged.
  void renew(Micros deadline) noexcept { deadline_.store(deadline, std::memory_order_release); }
  void clear() noexcept { deadline_.store(kNone, std::memory_order_release); }
  // Engine. True: it was still that deadline, and from now on nothing is ours.
  [[nodiscard]] bool expire(Micros seen) noexcept {
    return deadline_.compare_exchange_strong(seen, kExpired, std::memory_order_acq_rel);
  }
  // Any thread.
  [[nodiscard]] Micros deadline() const noexcept { return deadline_.load(std::memory_order_acquire); }
  [[nodiscard]] bool valid(Micros now) const noexcept { return now < deadline(); }
  // Nobody ever spoke of an ownership, or it still holds.
  [[nodiscard]] bool permits(Micros now) const noexcept {
    const Micros at = deadline();
    return at == kNone || now < at;
  }

 private:
  std::atomic<Micros> deadline_{kNone};
};

struct TakeoverBoard {
  std::array<PlanSlot<TakePlan>, kSlots> slots;
  std::array<FireMark, kSlots> marks;
  // One bit per slot, never taken back. Controller, before anything else is written about a slot: the engine looks at no other.
  std::atomic<std::uint64_t> touched{0};
  // One bit per slot. Controller: a plan that may go off by itself was armed there; only saves looking at the others.
  std::atomic<std::uint64_t> self_firing{0};
  // One bit per slot. Engine: addresses were taken by itself, and the controller has not said yet that it holds them.
  std::atomic<std::uint64_t> unclaimed{0};
  std::array<Ownership, kSlots> ownership;
  ControllerLease lease;
  InterfaceBoard interfaces;
  guard::PageWriter page;
  // Within it everything of a group stops after the deadline of its ownership. Controller writes.
  std::atomic<Micros> stop_budget_us{kMicrosPerSecond};
  // The page is mapped and its guardian counts; from then on nothing is added without it.
  std::atomic<bool> guarded{false};
  std::atomic<const GroupTable*> table{nullptr};
  // Oldest revision that this thread may still look at.
  std::atomic<std::uint64_t> engine_looks_at{0};
  std::atomic<std::uint64_t> net_looks_at{0};
};

}  // namespace twinbeat
