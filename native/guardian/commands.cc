// What the daemon and its successor may ask for. Every answer begins with the word that says how it went.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "guardian/guardian.h"

namespace twinbeat::guard {

namespace {

constexpr unsigned kProtocol = 1;
constexpr unsigned long kTimeoutMost = 3600;

const char* name_of(GuardianState state) noexcept {
  switch (state) {
    case GuardianState::kNone: return "none";
    case GuardianState::kGuarding: return "guarding";
    case GuardianState::kKeeping: return "keeping";
    case GuardianState::kActing: return "acting";
    case GuardianState::kDone: return "done";
  }
  return "none";
}

// The text behind a command word, nullptr if it is another command.
char* argument_of(char* command, const char* word) noexcept {
  const std::size_t length = std::strlen(word);
  if (std::strncmp(command, word, length) != 0) return nullptr;
  if (command[length] == '\0') return command + length;
  return command[length] == ' ' ? command + length + 1 : nullptr;
}

}  // namespace

void Guardian::on_command(void* self, char* command, char* answer, std::size_t answer_bytes) {
  static_cast<Guardian*>(self)->run_command(command, answer, answer_bytes);
}

void Guardian::run_command(char* command, char* answer, std::size_t answer_bytes) noexcept {
  const auto say = [&](const char* text) { std::snprintf(answer, answer_bytes, "%s", text); };
  if (argument_of(command, "status") != nullptr) {
    write_status(answer, answer_bytes);
  } else if (state_ == GuardianState::kActing || done_) {
    say("refused it is letting go");
  } else if (argument_of(command, "goodbye") != nullptr) {
    say_goodbye(answer, answer_bytes);
  } else if (const char* until = argument_of(command, "keep"); until != nullptr) {
    page_->keep_until_us.store(std::strtoll(until, nullptr, 10), std::memory_order_release);
    say("ok");
  } else if (argument_of(command, "relieve") != nullptr) {
    // The next guardian holds the plan already. The watchdog goes on counting until that one opens it.
    done_ = true;
    say("ok");
  } else if (char* device = argument_of(command, "watchdog"); device != nullptr) {
    open_watchdog(device, answer, answer_bytes);
  } else if (char* target = argument_of(command, "kill"); target != nullptr) {
    say(add_target(target) ? "ok" : "refused kill GROUP FOLDER");
  } else if (const char* group = argument_of(command, "spare"); group != nullptr) {
    killer_.spare(group);
    say("ok");
  } else if (argument_of(command, "starve") != nullptr) {
    watchdog_stopped_ = true;
    pet_at_ = 0;
    say(watchdog_.is_open() ? "ok" : "refused there is no watchdog");
  } else {
    say("refused unknown command");
  }
}

void Guardian::say_goodbye(char* answer, std::size_t answer_bytes) noexcept {
  bool clean = true;
  for (std::size_t i = 0; i < kGroupsMax; ++i) clean = clean && !read_group(*page_, i).held;
  clean = clean && releaser_.find_present(plan_, present_) && present_.none();
  if (clean) watchdog_.close_for_good();
  done_ = true;
  std::snprintf(answer, answer_bytes, "ok %s", clean ? "clean" : "held");
}

// "GROUP FOLDER"
bool Guardian::add_target(char* arguments) noexcept {
  const char* space = std::strchr(arguments, ' ');
  if (space == nullptr) return false;
  return killer_.add({arguments, static_cast<std::size_t>(space - arguments)}, space + 1);
}

// "SECONDS DEVICE"
void Guardian::open_watchdog(char* arguments, char* answer, std::size_t answer_bytes) noexcept {
  char* rest = nullptr;
  const unsigned long seconds = std::strtoul(arguments, &rest, 10);
  if (rest == arguments || *rest != ' ' || seconds == 0 || seconds > kTimeoutMost) {
    std::snprintf(answer, answer_bytes, "refused watchdog SECONDS DEVICE");
    return;
  }
  if (hurried_) {
    std::snprintf(answer, answer_bytes, "refused this machine is being reset");
    return;
  }
  const int error = watchdog_.open(rest + 1, static_cast<std::uint32_t>(seconds));
  publish_watchdog(error);
  pet_at_ = 0;
  if (error != 0) {
    std::snprintf(answer, answer_bytes, "failed %d", error);
    return;
  }
  std::snprintf(answer, answer_bytes, "ok timeout=%u nowayout=%d", watchdog_.timeout_s(), watchdog_.nowayout() ? 1 : 0);
}

void Guardian::write_status(char* answer, std::size_t answer_bytes) const noexcept {
  const Micros now = boottime_now();
  const Micros progress = page_->progress_at_us.load(std::memory_order_acquire);
  const Micros petted = page_->guardian.petted_at_us.load(std::memory_order_acquire);
  std::snprintf(answer, answer_bytes,
                "ok protocol=%u layout=%u state=%s pid=%d daemon=%d revision=%llu ways=%u fifo=%d locked=%d "
                "progress_us=%lld watchdog=%u timeout=%u nowayout=%d petted_us=%lld verdict=%u",
                kProtocol, layout_hash(), name_of(state_), ::getpid(), options_.pid,
                static_cast<unsigned long long>(plan_.revision), gasps_.ways(), options_.realtime ? 1 : 0,
                options_.memory_locked ? 1 : 0, static_cast<long long>(progress > 0 ? now - progress : -1),
                page_->guardian.watchdog_state.load(std::memory_order_acquire), watchdog_.timeout_s(),
                watchdog_.nowayout() ? 1 : 0, static_cast<long long>(petted > 0 ? now - petted : -1),
                static_cast<unsigned>(pet_verdict_));
}

}  // namespace twinbeat::guard
