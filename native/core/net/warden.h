// Whom the netlink thread asks before it adds, and tells what it sees. Without one everything may be added.
#pragma once

#include "core/base/clock.h"
#include "core/net/interface_table.h"
#include "core/net/steps.h"

namespace twinbeat::net {

class Warden {
 public:
  // First and last thing of the thread.
  virtual void thread_begins() noexcept = 0;
  virtual void thread_ends() noexcept = 0;
  // Once in every cycle, after the kernel's notices were read.
  virtual void look(const InterfaceTable& interfaces) noexcept = 0;
  // 0, or the errno that the addition is refused with.
  [[nodiscard]] virtual int may_add(const StepBatch& batch, const AddressStep& step, Micros now) noexcept = 0;
  // After the last step: 0, or why what was added has to be taken back.
  [[nodiscard]] virtual int still_valid(const StepBatch& batch, Micros now) noexcept = 0;

 protected:
  ~Warden() = default;
};

}  // namespace twinbeat::net
