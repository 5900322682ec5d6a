// The guardian of one life of a daemon: removes the addresses of a node when the daemon cannot. One thread does
// everything here; the threads of LockWatch only wake it. Nothing is allocated after open().
//
//   guarding --lock died, process gone, releaseBy, frozen--> acting --verified, process gone--> done
//   guarding --keep--> keeping --relieved by a successor--> done
//                              --keepUntil passed--> acting
//   guarding --goodbye--> done (removes nothing)
#pragma once

#include <array>
#include <bitset>

#include "core/guard/page_reader.h"
#include "core/guard/release_rule.h"
#include "guardian/control.h"
#include "guardian/gasp_sender.h"
#include "guardian/journal.h"
#include "guardian/killer.h"
#include "guardian/lock_watch.h"
#include "guardian/releaser.h"
#include "guardian/watchdog.h"

namespace twinbeat::guard {

struct Options {
  int page_fd = -1;
  int bell_fd = -1;
  int pid_fd = -1;
  int pid = 0;
  const char* socket_path = nullptr;
  const char* journal_path = nullptr;
  bool realtime = false;       // of this process
  bool memory_locked = false;
};

class Guardian {
 public:
  // False: `why` says what is missing.
  [[nodiscard]] bool open(const Options& options, const char** why) noexcept;
  // Until nothing is left to guard. The exit status.
  [[nodiscard]] int run() noexcept;

 private:
  // guardian.cc
  // True if the moment has come, false if something else woke us.
  bool wait(Micros until) noexcept;
  void look_at_page() noexcept;
  // When to look again.
  [[nodiscard]] Micros judge(Micros planned) noexcept;
  [[nodiscard]] Sight sight(Micros planned) noexcept;
  [[nodiscard]] bool is_traced() const noexcept;
  [[nodiscard]] Micros next_wake(Micros look_again_at) const noexcept;
  void set_state(GuardianState state) noexcept;
  void beat() noexcept;

  // acting.cc
  void begin_acting(ReleaseReason reason) noexcept;
  void act() noexcept;
  void kill_daemon() noexcept;
  [[nodiscard]] bool is_daemon_silenced() const noexcept;
  // True: nothing of them is left, or it has been waited for long enough.
  [[nodiscard]] bool end_services() noexcept;
  void find_last_words() noexcept;
  void send_gasps() noexcept;
  void finish() noexcept;
  void refresh_lifetimes() noexcept;

  // commands.cc
  static void on_command(void* self, char* command, char* answer, std::size_t answer_bytes);
  void run_command(char* command, char* answer, std::size_t answer_bytes) noexcept;
  void say_goodbye(char* answer, std::size_t answer_bytes) noexcept;
  void open_watchdog(char* arguments, char* answer, std::size_t answer_bytes) noexcept;
  [[nodiscard]] bool add_target(char* arguments) noexcept;
  void write_status(char* answer, std::size_t answer_bytes) const noexcept;

  // petting.cc
  void pet(Micros now) noexcept;
  [[nodiscard]] PetSight pet_sight(Micros now) const noexcept;
  void hurry() noexcept;
  void publish_watchdog(int error) noexcept;

  Options options_;
  Page* page_ = nullptr;
  int epoll_ = -1;
  int timer_ = -1;
  int lock_event_ = -1;
  bool bell_open_ = true;
  bool process_gone_ = false;
  bool done_ = false;
  GuardianState state_ = GuardianState::kNone;
  Plan plan_;
  LockWatch locks_;
  ReleaseRule rule_;
  Releaser releaser_;
  GaspSender gasps_;
  Killer killer_;
  Journal journal_;
  ControlSocket control_;

  ReleaseReason reason_ = ReleaseReason::kNone;
  Micros noticed_at_ = 0;
  Micros act_again_at_ = 0;
  Micros refresh_at_ = 0;
  Micros removed_at_ = 0;
  Micros verified_at_ = 0;
  std::uint32_t removed_ = 0;
  std::uint32_t attempts_ = 0;
  std::uint32_t kill_attempts_ = 0;
  std::bitset<kGroupsMax> ended_;  // groups whose services are proven to have ended
  std::bitset<kGroupsMax> present_;
  std::bitset<kGroupsMax> last_words_;  // groups that have some and may say them
  std::uint32_t words_sent_ = 0;
  GaspCopy gasp_;

  Watchdog watchdog_;
  PetVerdict pet_verdict_ = PetVerdict::kPet;
  bool watchdog_stopped_ = false;
  Micros pet_at_ = 0;
  Micros hurry_at_ = 0;   // when it will be time for that, if nothing changes; 0: unknown
  bool hurried_ = false;  // once and for all
};

}  // namespace twinbeat::guard
