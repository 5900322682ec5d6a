// The daemon's side of the page that it shares with its guardian. What is written here must be true whenever the
// process ends, so the order of the stores is part of the contract: a plan is published before anything of it is
// added, `held` is set before the first addition and cleared after the verified removal, a gasp loses its validity
// before its bytes change.
//
// Which thread calls what:
//   owner           open, close, attach (no other thread may run between close and open)
//   a locking thread  take_lock, drop_lock
//   engine          everything under "engine thread"
//   any             guarded, look, and the other const calls
#pragma once

#include <atomic>
#include <span>
#include <string_view>

#include "abi/guard_page.h"
#include "core/base/bytes.h"
#include "core/base/clock.h"
#include "core/base/status.h"

namespace twinbeat::guard {

// A fresh, initialised and sealed page in a memfd (close-on-exec); a descriptor or -errno.
[[nodiscard]] int create_page() noexcept;

struct GroupState {
  bool held = false;
  bool peer_ready = false;
  bool agent_busy = false;
  bool owned = false;
  std::uint64_t claim_epoch = 0;
};

class PageWriter {
 public:
  PageWriter() noexcept = default;
  ~PageWriter() { close(); }
  PageWriter(const PageWriter&) = delete;
  PageWriter& operator=(const PageWriter&) = delete;

  // Both descriptors are duplicated. 0 or an errno; EPROTO: not a page of this layout.
  [[nodiscard]] int open(int page_fd, int bell_fd) noexcept;
  // A new guardian for the same page: what the old one acknowledged counts no more. 0 or an errno.
  [[nodiscard]] int attach(int bell_fd) noexcept;
  void close() noexcept;
  [[nodiscard]] bool is_open() const noexcept { return page_ != nullptr; }

  // The calling thread owns the lock until it drops it or dies. Call it before anything is added by this thread.
  // 0 or an errno.
  [[nodiscard]] int take_lock(std::size_t index) noexcept;
  void drop_lock(std::size_t index) noexcept;

  // Additions of the calling thread are guarded: the guardian lives, holds at least this revision of the plan and
  // waits for the death of this lock.
  [[nodiscard]] bool guarded(std::size_t lock, std::uint64_t revision) const noexcept;
  [[nodiscard]] bool guardian_alive() const noexcept { return alive_.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint64_t acknowledged() const noexcept;
  [[nodiscard]] const GuardianWords* guardian() const noexcept { return page_ == nullptr ? nullptr : &page_->guardian; }
  // Tells the guardian to look at the page again. Never blocks.
  void look() noexcept;

  // --- engine thread
  // Readable when the guardian has acknowledged something or is gone; for an epoll set. It stays the same number
  // over attach(), which counts up attachments(): add it to the set anew.
  [[nodiscard]] int bell_fd() const noexcept { return bell_fd_; }
  [[nodiscard]] std::uint32_t attachments() const noexcept { return attachments_.load(std::memory_order_acquire); }
  // Reads the bell empty. False from the moment that the guardian is gone.
  bool drain_bell() noexcept;

  // Replaces the plan; look() follows by itself. kFull: too many addresses, nothing has changed. kInvalid: a name
  // without end, a group out of range. Keep what is still held in the plan: see authority.ts, setGroups.
  [[nodiscard]] Status publish_plan(std::uint64_t revision, std::span<const PlanGroup, kGroupsMax> groups,
                                    std::span<const PlanAddress> addresses) noexcept;
  void stamp_progress(Micros now) noexcept;
  void stamp_stand(Micros now) noexcept;  // also from the threads that watch the engine
  void set_running(bool running) noexcept;
  void set_limits(Micros freeze, bool realtime) noexcept;
  void set_lifetime(std::int64_t seconds) noexcept;
  // The controller lease is fresh until then.
  void set_controller_fresh_until(Micros at) noexcept;
  void set_group(std::size_t index, const GroupState& state) noexcept;
  // 0: nothing is due any more; only after a verified release.
  void set_release_by(std::size_t index, Micros at) noexcept;
  void set_valid_until(std::size_t index, Micros at) noexcept;
  // Services of the group end with the machine by then, unless they were stopped: the watchdog's business. 0: none.
  void set_owned_until(std::size_t index, Micros at) noexcept;
  // kTooLong: there is no gasp for this group now.
  [[nodiscard]] Status set_gasp(std::size_t index, std::uint64_t claim_epoch, Bytes datagram, Bytes line) noexcept;
  void clear_gasp(std::size_t index) noexcept;
  void set_keep_until(Micros at) noexcept;
  // Where last words go. The descriptors stay with the caller. 0 or an errno.
  [[nodiscard]] int hand_over_links(std::span<const LinkTarget> targets, std::span<const int> descriptors) noexcept;

 private:
  Page* page_ = nullptr;
  int bell_fd_ = -1;
  std::atomic<bool> alive_{false};
  std::atomic<std::uint32_t> attachments_{0};
  std::uint64_t sequence_ = 0;
};

}  // namespace twinbeat::guard
