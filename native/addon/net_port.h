// The netlink thread as the engine object sees it: encoded steps in, records of abi.h out. JavaScript thread, except
// what StepPort says: that is for the engine thread.
#pragma once

#include <atomic>
#include <memory>
#include <span>

#include "abi/abi.h"
#include "core/base/bytes.h"
#include "core/net/net_thread.h"
#include "core/takeover/step_port.h"
#include "core/takeover/take_gate.h"

namespace twinbeat {

class NetPort final : public StepPort {
 public:
  // Written when results or events are waiting; must outlive this object's thread.
  NetPort(int wake_fd, TakeoverBoard& board) noexcept : wake_fd_(wake_fd), gate_(board) {}
  // Before anything is started: where results of the engine's batches are told.
  void set_engine_wake(int fd) noexcept { engine_wake_fd_ = fd; }

  enum class Answer : std::uint8_t { kQueued, kFull, kInvalid, kFailed };

  // Starts the thread in the calling thread's network namespace when first needed. kFailed: see error().
  // `slot` kNoGroup: of no group. `not_after` 0: no deadline of its own.
  [[nodiscard]] Answer run_steps(std::uint64_t token, Bytes steps, std::uint32_t slot, Micros not_after);
  [[nodiscard]] Answer watch(Bytes list);
  // Whole records into `out`; the number of bytes.
  [[nodiscard]] std::size_t drain(std::span<std::uint8_t> out);
  void stop() noexcept;
  // Runs, and looks at what has changed on the board.
  [[nodiscard]] Answer look();

  // StepPort
  [[nodiscard]] net::StepBatch* claim() noexcept override;
  void commit() noexcept override;
  [[nodiscard]] bool next_result(net::StepBatchResult& out) noexcept override;
  void void_group(std::uint32_t group) noexcept override;
  [[nodiscard]] std::uint32_t group_stamp(std::uint32_t group) const noexcept override;
  [[nodiscard]] int error() const noexcept { return error_; }

 private:
  [[nodiscard]] bool ensure_running();

  int wake_fd_;
  int engine_wake_fd_ = -1;
  int error_ = 0;
  TakeGate gate_;
  // Set once, for the engine thread; the object below never goes before it.
  std::atomic<net::NetThread*> for_engine_{nullptr};
  std::unique_ptr<net::NetThread> thread_;
  std::unique_ptr<net::StepBatchResult> result_;
};

}  // namespace twinbeat
