// The engine's share of authority: claims marked plans under their guards, ends what has run out, and lets go without
// JavaScript. One call of work() per duty cycle, after silence was judged. Engine thread only; allocates nothing.
//
//   a plan       marked -> claimed -> batch under way -> plan.fired, or plan.withheld and armed again
//                or by itself, on silence or on last words: looked at in every cycle, claimed only when nothing forbids it
//   a release    stamp voided -> removals under way, looked at again -> group.released; repeated until it is true
//   the lease    fresh -> withheld (no takes) -> ended: everything that may be is released, then we are silent
#pragma once

#include <array>
#include <cstdint>

#include "core/engine/publisher.h"
#include "core/peer/detector.h"
#include "core/takeover/board.h"
#include "core/takeover/guards.h"
#include "core/takeover/slot_set.h"
#include "core/takeover/step_port.h"

namespace twinbeat {

struct GroupHolding {
  bool held = false;
  bool peer_ready = false;
  bool agent_busy = false;
  bool leaving = false;  // this node lets go of it for good: it ends, and never takes it again
  std::uint64_t claim_epoch = 0;
};

struct TakeoverScene {
  GuardScene guard;
  Micros deadtime = 0;
  bool peer_present = false;     // some other normal node lives
  bool gasp_is_heard = false;    // one of them is ours in kind, and none is not
  std::uint64_t generation = 0;
  std::uint64_t keys = 0;        // changes with the keys that sign
  bool withheld = false;         // nothing goes off: whether this node is held for dead is not known
  bool muted = false;            // nothing goes off by itself: this node is about to let go of everything
  bool bell = true;              // the guardian may have said something, or be gone
};

// What only the whole engine can do.
class TakeoverVoice {
 public:
  struct LastWords {
    Bytes datagram;
    Bytes line;  // empty: no link wants it
  };
  // Signs; the bytes stay valid until the next call. False: cannot be made.
  [[nodiscard]] virtual bool sign_gasp(std::size_t slot, std::uint64_t claim_epoch, LastWords& words) noexcept = 0;
  // Says it to the other node, now.
  virtual void say_gasp(std::size_t slot, std::uint64_t claim_epoch) noexcept = 0;
  // No heartbeat and no message any more, in this life.
  virtual void fall_silent() noexcept = 0;

 protected:
  ~TakeoverVoice() = default;
};

class Takeover {
 public:
  Takeover(TakeoverBoard& board, Publisher& publisher, StepPort* steps) noexcept
      : board_(board), publisher_(publisher), steps_(steps) {}

  // Before the commands of a cycle: a mark counts only when everything that was said before it is known.
  void note_marks() noexcept;
  void set_holding(std::size_t slot, const GroupHolding& holding) noexcept;
  // The peer's authenticated last words about one group; a plan that waits for exactly them goes off in this cycle.
  void note_gasp(const Peer& peer, std::string_view group, std::uint64_t claim_epoch, std::string_view digest) noexcept;
  void set_freeze(Micros freeze, bool realtime) noexcept;
  void set_running(bool running) noexcept;
  void work(const TakeoverScene& scene, TakeoverVoice& voice) noexcept;
  // Signs anew what is not signed with these keys, at once.
  void sign_all(const TakeoverScene& scene, TakeoverVoice& voice) noexcept;
  [[nodiscard]] Micros next_deadline() const noexcept;

  [[nodiscard]] const GroupHolding& holding(std::size_t slot) const noexcept { return slots_[slot].holding; }
  [[nodiscard]] const GroupTable* table() const noexcept { return table_; }
  [[nodiscard]] bool lapsed() const noexcept { return lapsed_; }

 private:
  enum class Errand : std::uint8_t { kPlan = 1, kRemove = 2, kCheck = 3, kRefresh = 4 };
  enum class Release : std::uint8_t { kNone, kWanted, kRemoving, kRemoved, kChecking, kWaiting };

  // What became of a claimed plan, until the record has a place.
  struct Answer {
    bool owed = false;
    bool fired = false;
    Guard guard = Guard::kNone;
    std::uint64_t epoch = 0;
    Micros detected_at = 0;
    Micros first_address_at = 0;
    Micros first_announce_at = 0;
    std::uint32_t count = 0;
    std::array<std::int32_t, net::kBatchStepsMax> errors{};
  };

  struct Slot {
    GroupHolding holding;
    Micros owned_until = 0;  // the ownership that page and guardian know of
    Micros owned_end = 0;    // somebody else may own it from then on, if it is not stopped before
    bool stopped = true;     // as the controller says
    bool owes_expired = false;

    // Taken by itself, and the controller has not said yet that it holds it.
    bool unclaimed = false;
    Micros unclaimed_since = 0;  // when the controller was told; 0: not yet
    std::uint64_t gasp_epoch = 0;  // last words of this cycle; 0: none
    std::uint64_t gasp_generation = 0;

    bool firing = false;
    std::uint64_t plan_token = 0;
    Answer answer;

    Release release = Release::kNone;
    bool say_gasp = false;    // once it is verified
    std::uint64_t gasp_claim = 0;  // about which claim
    bool told_failure = false;
    std::uint32_t tries = 0;
    Micros release_at = 0;    // next try
    std::uint64_t release_token = 0;
    std::uint32_t removals = 0;       // of the batch under way; what follows them in it are looks
    std::uint64_t looked_in = 0;      // definition whose addresses it looks for; 0: it does not look
    bool owes_released = false;  // the record, until it has a place
    std::uint64_t released_epoch = 0;
    bool let_go = false;  // by itself; the controller has not said anything about the group since

    std::uint64_t refresh_token = 0;  // 0: none under way
    std::uint32_t lifetime_s = 0;     // as last asked for; 0: for ever
    bool lifetime_known = false;
    Micros lifetime_for = 0;          // deadline that it followed from
    Micros refresh_at = 0;

    bool signed_gasp = false;
    std::uint64_t signed_epoch = 0;
    std::uint64_t signed_generation = 0;
    std::uint64_t signed_keys = 0;
    std::uint64_t signed_revision = 0;
  };

  // takeover.cc
  void watch_guardian(const TakeoverScene& scene) noexcept;
  void take_table() noexcept;
  void watch_controller(const TakeoverScene& scene) noexcept;
  [[nodiscard]] bool somebody_waits(const TakeoverScene& scene) const noexcept;
  void end_life() noexcept;
  void watch_ownership(Micros now) noexcept;
  void tell_page(std::size_t slot) noexcept;
  void tell_end(std::size_t slot) noexcept;

  // plan_runner.cc
  void judge_marks(const TakeoverScene& scene) noexcept;
  void judge_self_firing(const TakeoverScene& scene) noexcept;
  void fire_by_itself(std::size_t slot, const PlanAuthority& authority, const TakeoverScene& scene) noexcept;
  void note_taken(std::size_t slot) noexcept;
  void note_claimed(std::size_t slot) noexcept;
  void watch_unclaimed(Micros now) noexcept;
  void run_plan(std::size_t slot, std::uint64_t epoch, const TakePlan& plan, const PlanAuthority& authority,
                const TakeoverScene& scene) noexcept;
  void owe_withheld(std::size_t slot, std::uint64_t epoch, Guard guard) noexcept;
  void take_results(const TakeoverScene& scene) noexcept;
  void plan_done(std::size_t slot, const net::StepBatchResult& result, Micros now) noexcept;
  void pay_answers(Micros now) noexcept;
  [[nodiscard]] bool publish_answer(std::size_t slot, Micros now) noexcept;
  [[nodiscard]] std::uint64_t new_token(Errand errand, std::size_t slot) noexcept;

  // release.cc
  void begin_release(std::size_t slot, bool say_gasp) noexcept;
  void drive_releases(const TakeoverScene& scene, TakeoverVoice& voice) noexcept;
  [[nodiscard]] bool order_release(std::size_t slot, Errand errand) noexcept;
  void release_done(std::size_t slot, const net::StepBatchResult& result, Micros now) noexcept;
  void finish_release(std::size_t slot, const TakeoverScene& scene, TakeoverVoice& voice) noexcept;

  // lifetimes.cc
  void drive_lifetimes(const TakeoverScene& scene) noexcept;
  [[nodiscard]] bool wanted_lifetime(std::size_t slot, const TakeoverScene& scene, std::uint32_t& seconds) const noexcept;
  void order_refresh(std::size_t slot, std::uint32_t seconds, const TakeoverScene& scene) noexcept;
  void refresh_done(std::size_t slot, const net::StepBatchResult& result, Micros now) noexcept;

  TakeoverBoard& board_;
  Publisher& publisher_;
  StepPort* steps_;
  const GroupTable* table_ = nullptr;
  std::array<Slot, kSlots> slots_{};
  std::uint64_t live_ = 0;    // one bit per slot: the ones to look at
  std::uint64_t marked_ = 0;  // likewise
  std::uint64_t gasped_ = 0;  // likewise: last words were heard in this cycle
  std::uint64_t unclaimed_ = 0;
  std::uint64_t tokens_ = 0;
  std::uint64_t told_ready_ = 0;   // revision of the last guardian.ready
  std::uint32_t attached_ = 0;     // guardians so far
  bool told_lost_ = true;
  bool told_withheld_ = false;
  bool told_lapsed_ = false;
  bool told_reset_ = false;
  bool lapsed_ = false;
  bool silent_ = false;
  Micros renewed_at_ = 0;
  Micros freeze_us_ = 0;
  Micros stamped_at_ = 0;
  Micros again_at_ = 0;  // something that found no room is tried again
  net::StepBatchResult result_{};
  std::array<guard::PlanGroup, guard::kGroupsMax> page_groups_{};
  FixedVector<guard::PlanAddress, guard::kAddressesMax> page_addresses_;
};

}  // namespace twinbeat
