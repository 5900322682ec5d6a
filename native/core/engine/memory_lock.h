// Keeps what the engine thread touches in memory. Only mlock of chosen ranges: locking the whole process kills V8,
// whose madvise fails on locked pages.
#pragma once

#include "core/base/bytes.h"

namespace twinbeat {

// Locks the segments of this library and of the C and C++ runtime. 0 or the first errno; calling again is harmless.
[[nodiscard]] int lock_own_memory() noexcept;
// One range, whole pages. 0 or errno. unlock_range undoes it before the memory is given back.
[[nodiscard]] int lock_range(Bytes range) noexcept;
void unlock_range(Bytes range) noexcept;
// Faults in the stack that a duty cycle uses. Engine thread.
void touch_stack() noexcept;

}  // namespace twinbeat
