// The netlink thread as the engine object sees it: encoded steps in, records of abi.h out. JavaScript thread only.
#pragma once

#include <memory>
#include <span>

#include "abi/abi.h"
#include "core/base/bytes.h"
#include "core/net/net_thread.h"

namespace twinbeat {

class NetPort {
 public:
  // Written when results or events are waiting; must outlive this object's thread.
  explicit NetPort(int wake_fd) noexcept : wake_fd_(wake_fd) {}

  enum class Answer : std::uint8_t { kQueued, kFull, kInvalid, kFailed };

  // Starts the thread in the calling thread's network namespace when first needed. kFailed: see error().
  [[nodiscard]] Answer run_steps(std::uint64_t token, Bytes steps);
  [[nodiscard]] Answer watch(Bytes list);
  // Whole records into `out`; the number of bytes.
  [[nodiscard]] std::size_t drain(std::span<std::uint8_t> out);
  void stop() noexcept;
  [[nodiscard]] int error() const noexcept { return error_; }

 private:
  [[nodiscard]] bool ensure_running();

  int wake_fd_;
  int error_ = 0;
  std::unique_ptr<net::NetThread> thread_;
  std::unique_ptr<net::StepBatchResult> result_;
};

}  // namespace twinbeat
