// When the guardian lets go of everything, and when it pets the watchdog: decisions from what it sees, without a
// clock, a socket or a page, so that each of them can be tried by hand. Letting go needs no authority.
#pragma once

#include <algorithm>
#include <cstdint>

#include "abi/guard_page.h"
#include "core/base/clock.h"

namespace twinbeat::guard {

enum class ReleaseReason : std::uint8_t {
  kNone,
  kLockDied,     // a thread that sends address changes is gone
  kProcessGone,  // the daemon ended without a goodbye
  kReleaseBy,    // an ownership passed its deadline and its group was not released
  kFrozen,       // no progress of the engine for longer than the freeze limit
  kKeepOver,     // nobody took over in time from a daemon that wanted to be replaced
};

struct Sight {
  Micros now = 0;
  Micros planned = 0;  // when this look was due; 0: something else woke us
  bool lock_died = false;
  bool process_gone = false;
  bool running = false;      // the engine thread says that it beats
  bool ready_or_owned = false;  // for some held group: a live peer is ready, or an ownership is in force
  bool traced = false;       // looked up only when it matters, see wants_tracer()
  Micros progress_at = 0;
  Micros stood_at = 0;  // when the peer was last asked to wait for a processor that stands
  Micros freeze = 0;    // 0: never
  Micros keep_until = 0;
  Micros release_by = 0;  // the earliest; 0: none
};

struct Judgement {
  ReleaseReason reason = ReleaseReason::kNone;
  bool keeping = false;
  Micros look_again_at = 0;
};

// Looks in a row, on time, apart, without progress, before a process counts as frozen: what froze us as well has
// frozen it no longer than us.
inline constexpr int kFrozenLooks = 5;
inline constexpr Micros kFrozenApart = 10 * kMicrosPerMilli;
inline constexpr Micros kIdleLook = kMicrosPerSecond;

class ReleaseRule {
 public:
  [[nodiscard]] Judgement judge(const Sight& sight) noexcept;
  // The next look may find it frozen: find out whether somebody traces it.
  [[nodiscard]] bool is_close() const noexcept { return looks_ > 0; }

 private:
  [[nodiscard]] static Micros progress_of(const Sight& sight) noexcept;
  [[nodiscard]] bool is_frozen(const Sight& sight) noexcept;
  [[nodiscard]] Micros next_look(const Sight& sight, bool keeping) const noexcept;

  int looks_ = 0;
  Micros looked_at_ = 0;
  Micros progress_ = 0;
};

struct PetSight {
  Micros now = 0;
  bool acting = false;
  bool stopped = false;  // told to let the watchdog run out
  bool running = false;
  bool keeping = false;
  Micros progress_at = 0;
  Micros progress_limit = 0;
  Micros controller_fresh_until = 0;  // 0: no rule
  Micros release_by = 0;              // the earliest of the held groups; 0: none
  // The earliest moment from which services that run on here may belong to somebody else; 0: none. A watchdog that is
  // petted last `watchdog_limit` before it has ended them by then.
  Micros services_until = 0;
  Micros watchdog_limit = 0;
  bool ending = false;   // the guardian closes the device now, which starts its time once more
  bool hurried = false;  // see must_hurry()
};

enum class PetVerdict : std::uint8_t {
  kPet,
  kEngineLate,
  kControllerLate,
  kReleaseOverdue,
  kReleasing,
  kStopped,
  kServicesOverdue,
  kHurried,
};

// On top of the device's own time: its timer is coarse. The core keeps the same (watchdog-word.ts).
inline constexpr Micros kPetMargin = kMicrosPerSecond;

// The chain in its order: main loop, engine, guardian, device.
[[nodiscard]] PetVerdict judge_petting(const PetSight& sight) noexcept;

// Services may run on here beyond the time in which they are surely this node's: a watchdog that stood still together
// with the machine has not ended them, or closing the device would give it a time that ends too late. It must bite in the
// least time that it has. True once.
[[nodiscard]] bool must_hurry(const PetSight& sight) noexcept;

}  // namespace twinbeat::guard
