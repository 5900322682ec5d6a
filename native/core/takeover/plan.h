// What an armed plan says, the authority that sets it off, and everything that may forbid it.
#pragma once

#include <array>
#include <cstdint>

#include "abi/abi.h"
#include "core/base/clock.h"
#include "core/net/steps.h"
#include "core/peer/fixed_text.h"

namespace twinbeat {

inline constexpr std::size_t kSlots = 64;  // groupsMax of src/engine/authority.ts
// Stamp of what belongs to no group: announcements, questions, tools.
inline constexpr std::uint32_t kNoGroup = net::kGroupsMax - 1;
inline constexpr std::size_t kPlanInterfacesMax = 16;

// In the order of `authorityKinds` in src/engine/authority-codec.ts.
enum class AuthorityKind : std::uint8_t { kAgreed, kHeld, kFence, kLease, kHandover, kGasp, kAccept, kOperator };
inline constexpr std::size_t kAuthorityKinds = 8;

// In the order of `guardNames` in src/engine/authority-codec.ts.
enum class Guard : std::uint8_t {
  kNone,
  kLate,
  kPeerIncarnation,
  kController,
  kPeerAlive,
  kInterface,
  kOwnership,
  kGuardian,
  kExpired,
  kVoided,
};

// An interface as it was when the plan was armed: see interface_board.h.
struct PlanInterface {
  std::uint16_t place = 0;
  std::uint32_t identity = 0;
};

struct TakePlan {
  bool on_peer_dead = false;  // condition `peer-dead`: goes off by itself on the peer's silence
  bool needs_ownership = false;
  std::uint64_t gasp_epoch = 0;  // goes off by itself on the peer's last words about exactly this claim; 0: it does not
  bool has_peer = false;
  FixedText<kMaxNodeNameBytes> peer;
  std::uint64_t peer_generation = 0;
  std::uint32_t stamp = 0;  // of the group when the plan was armed: a release in between voids it
  std::uint32_t interface_count = 0;
  std::uint32_t step_count = 0;
  std::array<PlanInterface, kPlanInterfacesMax> interfaces{};
  std::array<net::AddressStep, net::kBatchStepsMax> steps{};
};

struct PlanAuthority {
  AuthorityKind kind = AuthorityKind::kOperator;
  bool on_silence = false;            // the plan goes off by itself because nothing is heard
  std::uint64_t peer_generation = 0;  // 0: none
  Micros not_after = 0;               // 0: no deadline
};

}  // namespace twinbeat
