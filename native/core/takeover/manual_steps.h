// A netlink thread that is played by hand: batches are kept until somebody says what became of them. For the manual
// engine and for tests; allocates.
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <vector>

#include "core/takeover/plan.h"
#include "core/takeover/step_port.h"

namespace twinbeat {

class ManualSteps final : public StepPort {
 public:
  [[nodiscard]] net::StepBatch* claim() noexcept override {
    if (full) return nullptr;
    draft_ = std::make_unique<net::StepBatch>();
    return draft_.get();
  }
  void commit() noexcept override { waiting_.push_back(std::move(draft_)); }
  [[nodiscard]] bool next_result(net::StepBatchResult& out) noexcept override {
    if (results_.empty()) return false;
    out = *results_.front();
    results_.erase(results_.begin());
    return true;
  }
  void void_group(std::uint32_t group) noexcept override { ++stamps_[group]; }
  [[nodiscard]] std::uint32_t group_stamp(std::uint32_t group) const noexcept override { return stamps_[group]; }

  [[nodiscard]] const std::vector<std::unique_ptr<net::StepBatch>>& waiting() const noexcept { return waiting_; }
  // The oldest batch is done at `now`; errors[i] of step i, 0 for those beyond the list.
  void finish(const std::vector<int>& errors, Micros now) {
    const net::StepBatch& batch = *waiting_.front();
    auto result = std::make_unique<net::StepBatchResult>();
    result->token = batch.token;
    result->started_at_us = result->done_at_us = now;
    result->count = batch.count;
    // As the real thread does it: an addition with an old stamp is refused.
    const bool old = batch.group < net::kGroupsMax && stamps_[batch.group] != batch.stamp;
    const bool late = batch.not_after_us != 0 && now >= batch.not_after_us;
    for (std::uint32_t i = 0; i < batch.count; ++i) {
      net::StepResult& one = result->results[i];
      one.index = static_cast<std::uint16_t>(i);
      one.error = i < errors.size() ? errors[i] : 0;
      if (batch.steps[i].op == net::StepOp::kAdd && (old || late)) one.error = late ? ETIME : ECANCELED;
      if (one.error != 0) ++result->failed;
      if (one.error == 0 && batch.steps[i].op == net::StepOp::kAdd) result->first_address_at_us = now;
    }
    results_.push_back(std::move(result));
    waiting_.erase(waiting_.begin());
  }

  bool full = false;

 private:
  std::unique_ptr<net::StepBatch> draft_;
  std::vector<std::unique_ptr<net::StepBatch>> waiting_;
  std::vector<std::unique_ptr<net::StepBatchResult>> results_;
  std::array<std::uint32_t, net::kGroupsMax> stamps_{};
};

}  // namespace twinbeat
