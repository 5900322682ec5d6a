// What the guardian does when it lets go.
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "guardian/guardian.h"

namespace twinbeat::guard {

namespace {

constexpr Micros kRepeat = 50 * kMicrosPerMilli;
// Processes that were killed are gone within milliseconds, unless the kernel itself holds them.
constexpr Micros kRepeatKill = 2 * kMicrosPerMilli;
constexpr std::uint32_t kKillAttemptsQuick = 25;
constexpr std::uint32_t kKillAttemptsMax = 65;  // two seconds more
// From then on it is told once that something stands in the way.
constexpr std::uint32_t kAttemptsQuiet = 20;
constexpr Micros kRefreshIdle = kMicrosPerSecond;

const char* text_of(ReleaseReason reason) noexcept {
  switch (reason) {
    case ReleaseReason::kNone: return "nothing";
    case ReleaseReason::kLockDied: return "the daemon died";
    case ReleaseReason::kProcessGone: return "the daemon ended without a goodbye";
    case ReleaseReason::kReleaseBy: return "an ownership ended and its group was not released in time";
    case ReleaseReason::kFrozen: return "the daemon made no progress";
    case ReleaseReason::kKeepOver: return "no successor took over in time";
  }
  return "nothing";
}

}  // namespace

void Guardian::begin_acting(ReleaseReason reason) noexcept {
  noticed_at_ = boottime_now();
  reason_ = reason;
  set_state(GuardianState::kActing);
}

void Guardian::kill_daemon() noexcept {
  if (!process_gone_) static_cast<void>(::syscall(SYS_pidfd_send_signal, options_.pid_fd, SIGKILL, nullptr, 0));
}

// Nothing can be added any more by anybody: a thread inside one send() of many additions finishes them first, and
// only then does its lock die.
bool Guardian::is_daemon_silenced() const noexcept {
  return process_gone_ || (locks_.any_died() && locks_.all_taken_dead());
}

void Guardian::act() noexcept {
  kill_daemon();
  const bool silenced = is_daemon_silenced();
  killer_.strike();
  if (verified_at_ == 0) {
    removed_ += releaser_.remove(plan_).removed;
    if (removed_at_ == 0) removed_at_ = boottime_now();
    // Only a dump after the last possible addition proves anything.
    if (silenced && releaser_.find_present(plan_, present_) && present_.none()) {
      verified_at_ = boottime_now();
      find_last_words();
      send_gasps();
    }
    if (++attempts_ == kAttemptsQuiet && verified_at_ == 0) {
      journal_.write("guardian.unverified", "%s (pid %d), but %s; it is repeated every 50 ms", text_of(reason_),
                     options_.pid, silenced ? "addresses are still there" : "it cannot be ended");
    }
  }
  const bool over = verified_at_ != 0 && process_gone_ && end_services();
  const bool soon = verified_at_ != 0 && process_gone_ && kill_attempts_ < kKillAttemptsQuick;
  act_again_at_ = boottime_now() + (soon ? kRepeatKill : kRepeat);
  if (over) finish();
}

bool Guardian::end_services() noexcept {
  const bool done = killer_.sweep();
  const std::bitset<kGroupsMax> ended = killer_.ended(plan_);
  if (ended != ended_) {
    // What the killed did last may have brought an address back: only a dump behind their end proves anything.
    removed_ += releaser_.remove(plan_).removed;
    if (!releaser_.find_present(plan_, present_)) return false;
    ended_ = ended & ~present_;
    find_last_words();
    send_gasps();
  }
  if (done || ++kill_attempts_ < kKillAttemptsMax) return done;
  journal_.write("guardian.unkilled", "%s (pid %d), and processes of its services do not end", text_of(reason_), options_.pid);
  return true;
}

// Groups of nothing but addresses, or whose services have ended with the daemon, held until the end, with no agent
// action under way.
void Guardian::find_last_words() noexcept {
  for (std::size_t i = 0; i < kGroupsMax; ++i) {
    const GroupSight group = read_group(*page_, i);
    const PlanGroup& planned = plan_.groups[i];
    const bool empty = planned.kind == GroupKind::kAddress || (planned.kind == GroupKind::kKilled && ended_.test(i));
    const bool may = planned.used != 0 && empty && group.held && !group.agent_busy;
    if (!may || !read_gasp(*page_, i, gasp_) || gasp_.claim_epoch != group.claim_epoch) continue;
    last_words_.set(i);
  }
}

void Guardian::send_gasps() noexcept {
  for (std::size_t i = 0; i < kGroupsMax; ++i) {
    if (last_words_.test(i) && read_gasp(*page_, i, gasp_)) words_sent_ += gasps_.send(gasp_);
  }
}

void Guardian::finish() noexcept {
  // Once more: one copy may have been lost on its way.
  send_gasps();
  journal_.write("guardian.acted",
                 "%s (pid %d): %u addresses removed after %lld us, verified gone after %lld us, services of %zu groups "
                 "ended, last words of %zu groups in %u messages",
                 text_of(reason_), options_.pid, removed_, static_cast<long long>(removed_at_ - noticed_at_),
                 static_cast<long long>(verified_at_ - noticed_at_), ended_.count(), last_words_.count(), words_sent_);
  done_ = true;
}

// While one daemon has gone and the next is not there yet, lifetimes run.
void Guardian::refresh_lifetimes() noexcept {
  const Micros now = boottime_now();
  const std::int64_t lifetime = page_->limits.lifetime_s.load(std::memory_order_acquire);
  std::array<std::uint32_t, kGroupsMax> valid_s{};
  std::int64_t shortest = 0;
  for (std::size_t i = 0; i < kGroupsMax; ++i) {
    const GroupSight group = read_group(*page_, i);
    if (!group.held) continue;
    const std::int64_t owned_s = std::clamp<std::int64_t>((group.valid_until - now) / kMicrosPerSecond, 0, 3600);
    const std::int64_t seconds = group.valid_until > 0 ? owned_s : std::clamp<std::int64_t>(lifetime, 0, 3600);
    valid_s[i] = static_cast<std::uint32_t>(seconds);
    if (seconds > 0 && (shortest == 0 || seconds < shortest)) shortest = seconds;
  }
  if (shortest > 0) releaser_.refresh(plan_, valid_s);
  refresh_at_ = now + std::max(kRefreshIdle, shortest * kMicrosPerSecond / 3);
}

}  // namespace twinbeat::guard
