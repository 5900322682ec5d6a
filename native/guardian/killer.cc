#include "guardian/killer.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace twinbeat::guard {

namespace {

constexpr int kDepthMax = 4;  // of control groups that services make inside theirs
constexpr std::size_t kPidBytes = 4096;
constexpr std::size_t kEntryBytes = 2048;

// As the kernel gives them; no C library has a name for it that does not allocate.
struct Entry {
  std::uint64_t inode;
  std::int64_t offset;
  std::uint16_t bytes;
  std::uint8_t type;
  char name[1];
};

// Kernels before 5.14: one by one, and again until nobody forks any more.
void kill_members(int folder) noexcept {
  const int fd = ::openat(folder, "cgroup.procs", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  char text[kPidBytes];
  const ssize_t got = ::read(fd, text, sizeof(text) - 1);
  ::close(fd);
  text[got > 0 ? got : 0] = '\0';
  for (char* at = text; *at != '\0';) {
    char* end = nullptr;
    const long pid = std::strtol(at, &end, 10);
    if (end == at) return;
    if (pid > 1) static_cast<void>(::kill(static_cast<pid_t>(pid), SIGKILL));
    at = *end == '\n' ? end + 1 : end;
  }
}

bool kill_all(int folder) noexcept {
  const int fd = ::openat(folder, "cgroup.kill", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool done = ::write(fd, "1", 1) == 1;
  ::close(fd);
  return done;
}

// Children first: a folder with some in it cannot be removed, and none of them has anything but folders of its own.
void remove_children(int folder, int depth) noexcept {
  if (depth == 0) return;
  alignas(Entry) char buffer[kEntryBytes];
  static_cast<void>(::lseek(folder, 0, SEEK_SET));
  for (;;) {
    const long got = ::syscall(SYS_getdents64, folder, buffer, sizeof(buffer));
    if (got <= 0) return;
    for (long at = 0; at < got;) {
      const auto* entry = reinterpret_cast<const Entry*>(&buffer[at]);
      at += entry->bytes;
      if (entry->type != DT_DIR || entry->name[0] == '.') continue;
      const int child = ::openat(folder, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (child < 0) continue;
      kill_members(child);
      remove_children(child, depth - 1);
      ::close(child);
      static_cast<void>(::unlinkat(folder, entry->name, AT_REMOVEDIR));
    }
  }
}

template <std::size_t Size>
bool keep(std::array<char, Size>& to, std::string_view text) noexcept {
  if (text.empty() || text.size() >= Size) return false;
  std::memcpy(to.data(), text.data(), text.size());
  to[text.size()] = '\0';
  return true;
}

}  // namespace

Killer::Target* Killer::find(std::string_view group) noexcept {
  for (std::size_t i = 0; i < count_; ++i) {
    if (group == targets_[i].group.data()) return &targets_[i];
  }
  return nullptr;
}

bool Killer::add(std::string_view group, std::string_view folder) noexcept {
  Target next;
  if (folder.empty() || folder[0] != '/' || !keep(next.group, group) || !keep(next.folder, folder)) return false;
  Target* place = find(group);
  if (place == nullptr) {
    if (count_ == targets_.size()) return false;
    place = &targets_[count_++];
  }
  *place = next;
  return true;
}

void Killer::spare(std::string_view group) noexcept {
  Target* place = find(group);
  if (place == nullptr) return;
  *place = targets_[--count_];
  targets_[count_] = {};
}

void Killer::strike() noexcept {
  for (std::size_t i = 0; i < count_; ++i) {
    Target& target = targets_[i];
    if (target.state != State::kUntouched && target.state != State::kStruck) continue;
    const int folder = ::open(target.folder.data(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0) {
      // Gone after it was struck: somebody else removed what was empty then.
      if (target.state == State::kUntouched) target.state = State::kAbsent;
      continue;
    }
    if (!kill_all(folder)) kill_members(folder);
    ::close(folder);
    target.state = State::kStruck;
  }
}

bool Killer::sweep() noexcept {
  bool done = true;
  for (std::size_t i = 0; i < count_; ++i) {
    Target& target = targets_[i];
    if (target.state != State::kStruck) continue;
    const int folder = ::open(target.folder.data(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder >= 0) {
      remove_children(folder, kDepthMax);
      ::close(folder);
    }
    const bool gone = ::rmdir(target.folder.data()) == 0 || errno == ENOENT;
    if (gone) target.state = State::kEnded;
    done = done && gone;
  }
  return done;
}

std::bitset<kGroupsMax> Killer::ended(const Plan& plan) const noexcept {
  std::bitset<kGroupsMax> out;
  for (std::size_t slot = 0; slot < kGroupsMax; ++slot) {
    const PlanGroup& group = plan.groups[slot];
    if (group.used == 0) continue;
    for (std::size_t i = 0; i < count_; ++i) {
      const Target& target = targets_[i];
      if (target.state == State::kEnded && std::strcmp(target.group.data(), group.name) == 0) out.set(slot);
    }
  }
  return out;
}

}  // namespace twinbeat::guard
