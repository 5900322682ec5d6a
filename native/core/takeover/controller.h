// The controller's end of the board: what it writes ahead, arms, disarms, fires and renews, each with an answer that
// is final when the call returns. Controller thread only; may allocate. It checks what could corrupt memory; who may
// arm what and when is decided above it.
#pragma once

#include <memory>
#include <vector>

#include "core/takeover/board.h"

namespace twinbeat {

class TakeoverController {
 public:
  enum class Arm : std::uint8_t { kArmed, kBusy, kInvalid, kUnguarded };
  enum class Fire : std::uint8_t {
    kUnknown,  // no such plan is armed, or an order to fire it is under way already
    kMarked,
    kUnderWay,  // it has gone off by itself: its record follows
  };
  enum class Groups : std::uint8_t { kPublished, kInvalid, kOld, kFull, kSlotInUse };

  explicit TakeoverController(TakeoverBoard& board) noexcept : board_(board) {}

  // Opens the page, or gives the open one another guardian. 0 or an errno; EPROTO: of another layout.
  [[nodiscard]] int attach(int page_fd, int bell_fd) noexcept;

  // Bytes of src/engine/authority-codec.ts. What is held under a slot stays in the table until it is not.
  [[nodiscard]] Groups set_groups(Bytes bytes);
  void note_held(std::size_t slot, bool held) noexcept;

  // Bytes of src/engine/authority-codec.ts; `stamp` of the group now.
  [[nodiscard]] Arm arm(Bytes bytes, std::uint32_t stamp) noexcept;
  // The slot that the bytes are about, kSlots if they make no sense.
  [[nodiscard]] static std::size_t slot_of(Bytes bytes) noexcept;
  [[nodiscard]] DisarmAnswer disarm(std::size_t slot, std::uint64_t epoch) noexcept;
  [[nodiscard]] Fire fire(std::size_t slot, std::uint64_t epoch, const PlanAuthority& authority) noexcept;

  [[nodiscard]] bool renew(Micros now) noexcept { return board_.lease.renew(now); }
  // `deadline` 0 ends it. False: past, too far away, or with a lower token.
  [[nodiscard]] bool renew_ownership(std::size_t slot, std::uint64_t token, Micros deadline, Micros now) noexcept;

 private:
  void touch(std::size_t slot) noexcept {
    board_.touched.fetch_or(std::uint64_t{1} << slot, std::memory_order_release);
  }
  void forget_old_tables();

  TakeoverBoard& board_;
  std::vector<std::unique_ptr<const GroupTable>> tables_;  // the last one is published
  std::array<bool, kSlots> held_{};
  std::array<std::uint64_t, kSlots> self_firing_{};  // number of the last plan that may go off by itself
  std::array<std::uint64_t, kSlots> tokens_{};
  std::array<net::AddressStep, net::kBatchStepsMax> steps_{};
};

}  // namespace twinbeat
