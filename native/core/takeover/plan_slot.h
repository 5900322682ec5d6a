// The place of one armed plan, shared by the controller that arms and disarms and the engine that fires. One word of
// 64 bits says everything: 48 bits count the plans (a number is never used twice in a process), 8 bits name the body
// that holds the plan, 8 bits are the state. This word is the only memory of a slot with two writers.
//
//           arm                  claim                  finish
//   empty ---------> armed ------------------> firing ----------> fired
//     ^               |  ^                       |                  |
//     |    disarm     |  |        rearm          | refuse           | arm (a newer plan)
//     +---------------+  +--------- refused <----+                  v
//                                                                 armed
//
// Controller: arm, disarm. Engine: claim, finish, refuse, rearm. `claim` and `disarm` meet on one compare-and-swap:
// exactly one of them wins, and the other knows at once. A body is written only while the word names no live plan,
// and read between a successful claim and finish or rearm, or by `look`: the engine judges in every cycle whether a plan
// may go off by itself, and a plan that may not must not be claimed for it, since every claim owes an answer.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace twinbeat {

enum class SlotState : std::uint8_t { kEmpty, kArmed, kFiring, kFired, kRefused };

struct SlotWord {
  std::uint64_t counter = 0;
  std::uint8_t body = 0;
  SlotState state = SlotState::kEmpty;

  static constexpr std::uint64_t kCounterMax = (std::uint64_t{1} << 48) - 1;

  [[nodiscard]] constexpr std::uint64_t pack() const noexcept {
    return counter << 16 | std::uint64_t{body} << 8 | static_cast<std::uint64_t>(state);
  }
  [[nodiscard]] static constexpr SlotWord unpack(std::uint64_t word) noexcept {
    return {word >> 16, static_cast<std::uint8_t>(word >> 8 & 0xff), static_cast<SlotState>(word & 0xff)};
  }
};

enum class ArmAnswer : std::uint8_t {
  kArmed,
  kBusy,   // a plan is armed or firing
  kStale,  // the number is not above the last one
};
enum class DisarmAnswer : std::uint8_t {
  kDisarmed,
  kFired,
  kFiring,   // followed by exactly one end of the firing
  kUnknown,  // another plan, or none
};

// `Word` is std::atomic<std::uint64_t>; the test that plays every interleaving puts its own in.
template <typename Body, typename Word = std::atomic<std::uint64_t>>
class PlanSlot {
 public:
  // Controller. `fill(body)` writes the plan; it is called only when the plan will be armed.
  template <typename Fill>
  [[nodiscard]] ArmAnswer arm(std::uint64_t counter, Fill&& fill) noexcept {
    const SlotWord now = peek();
    if (now.state != SlotState::kEmpty && now.state != SlotState::kFired) return ArmAnswer::kBusy;
    if (counter <= now.counter || counter > SlotWord::kCounterMax) return ArmAnswer::kStale;
    // The engine still looks at the plan before the last one, whose place this one would get.
    if (looking_.load(std::memory_order_seq_cst) != 0) return ArmAnswer::kBusy;
    // The other body than before: whoever still looks at the last plan does not see this one half written.
    const auto body = static_cast<std::uint8_t>(now.body ^ 1);
    fill(bodies_[body]);
    // Empty and fired are left by the controller alone: nothing to compare with.
    // Sequentially consistent with `looking_`: whoever does not see the engine looking has been seen by it.
    word_.store(SlotWord{counter, body, SlotState::kArmed}.pack(), std::memory_order_seq_cst);
    return ArmAnswer::kArmed;
  }

  // Controller. Final: after kDisarmed this plan never fires.
  [[nodiscard]] DisarmAnswer disarm(std::uint64_t counter) noexcept {
    std::uint64_t seen = word_.load(std::memory_order_acquire);
    for (;;) {
      const SlotWord now = SlotWord::unpack(seen);
      if (now.counter != counter) return DisarmAnswer::kUnknown;
      switch (now.state) {
        case SlotState::kEmpty: return DisarmAnswer::kUnknown;
        case SlotState::kFired: return DisarmAnswer::kFired;
        case SlotState::kFiring:
        case SlotState::kRefused:
          return DisarmAnswer::kFiring;
        case SlotState::kArmed: break;
      }
      const std::uint64_t empty = SlotWord{counter, now.body, SlotState::kEmpty}.pack();
      if (word_.compare_exchange_weak(seen, empty, std::memory_order_acq_rel, std::memory_order_acquire)) {
        return DisarmAnswer::kDisarmed;
      }
    }
  }

  // Engine. The number of the armed plan of which `judge(body)` says yes, 0 if there is none; nothing changes by it.
  template <typename Judge>
  [[nodiscard]] std::uint64_t look(Judge&& judge) noexcept {
    looking_.store(1, std::memory_order_seq_cst);
    const SlotWord now = SlotWord::unpack(word_.load(std::memory_order_seq_cst));
    const Body& body = bodies_[now.body];
    const std::uint64_t found = now.state == SlotState::kArmed && judge(body) ? now.counter : 0;
    looking_.store(0, std::memory_order_release);
    return found;
  }
  // Engine. The plan if this call won it, nullptr if it is not armed (any more).
  [[nodiscard]] const Body* claim(std::uint64_t counter) noexcept {
    std::uint64_t seen = word_.load(std::memory_order_acquire);
    for (;;) {
      const SlotWord now = SlotWord::unpack(seen);
      if (now.counter != counter || now.state != SlotState::kArmed) return nullptr;
      const std::uint64_t firing = SlotWord{counter, now.body, SlotState::kFiring}.pack();
      if (word_.compare_exchange_weak(seen, firing, std::memory_order_acq_rel, std::memory_order_acquire)) {
        return &bodies_[now.body];
      }
    }
  }
  // Engine, after a claim. The plan has acted.
  void finish() noexcept { become(SlotState::kFiring, SlotState::kFired); }
  // Engine, after a claim. A guard or the netlink thread forbade it, nothing was done.
  void refuse() noexcept { become(SlotState::kFiring, SlotState::kRefused); }
  // Engine, after refuse(), when the refusal was told.
  void rearm() noexcept { become(SlotState::kRefused, SlotState::kArmed); }

  // Any thread.
  [[nodiscard]] SlotWord peek() const noexcept { return SlotWord::unpack(word_.load(std::memory_order_acquire)); }

 private:
  // Firing and refused belong to the engine alone: a store is enough, and nobody can have been faster.
  void become(SlotState from, SlotState to) noexcept {
    const SlotWord now = peek();
    if (now.state != from) return;
    word_.store(SlotWord{now.counter, now.body, to}.pack(), std::memory_order_release);
  }

  Word word_{0};
  Word looking_{0};  // 1 while the engine reads a body without having claimed it
  std::array<Body, 2> bodies_{};
};

}  // namespace twinbeat
