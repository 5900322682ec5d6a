// The netlink thread's own door-keeper: asked before every single addition, and once more after the last one. Whatever
// was decided elsewhere and whenever, nothing is added here that the guardian could not remove, that the controller
// could not account for, or that has run out. Removing is never asked about. Netlink thread only.
#pragma once

#include <cerrno>

#include "core/net/warden.h"
#include "core/takeover/board.h"

namespace twinbeat {

// What a refused addition answers, beside ETIME (too late) and ECANCELED (a release came between).
inline constexpr int kNotGuarded = EOWNERDEAD;
inline constexpr int kNotOwned = ENOLCK;
inline constexpr int kControllerLate = ESTALE;
inline constexpr int kLifeIsOver = ESHUTDOWN;

class TakeGate final : public net::Warden {
 public:
  explicit TakeGate(TakeoverBoard& board) noexcept : board_(board) {}

  void thread_begins() noexcept override;
  void thread_ends() noexcept override;
  void look(const net::InterfaceTable& interfaces) noexcept override;
  [[nodiscard]] int may_add(const net::StepBatch& batch, const net::AddressStep& step, Micros now) noexcept override;
  [[nodiscard]] int still_valid(const net::StepBatch& batch, Micros now) noexcept override;

 private:
  [[nodiscard]] const GroupTable* acknowledged() noexcept;

  TakeoverBoard& board_;
  const GroupTable* held_ = nullptr;  // of the tables, the last one that the guardian acknowledged
  bool locked_ = false;
  struct Seen {
    std::uint32_t ifindex = 0;
    std::uint64_t mac = 0;
  };
  std::array<Seen, kInterfacePlaces> seen_{};
};

}  // namespace twinbeat
