// The netlink thread as the engine sees it: batches in, results out, stamps of groups. Never waits.
#pragma once

#include "core/net/steps.h"

namespace twinbeat {

class StepPort {
 public:
  // A batch to fill, then commit(); nullptr: no room now, or nobody is there.
  [[nodiscard]] virtual net::StepBatch* claim() noexcept = 0;
  virtual void commit() noexcept = 0;
  [[nodiscard]] virtual bool next_result(net::StepBatchResult& out) noexcept = 0;
  // Additions of this group that carry an older stamp are refused from now on.
  virtual void void_group(std::uint32_t group) noexcept = 0;
  [[nodiscard]] virtual std::uint32_t group_stamp(std::uint32_t group) const noexcept = 0;

 protected:
  ~StepPort() = default;
};

}  // namespace twinbeat
