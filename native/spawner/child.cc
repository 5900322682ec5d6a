#include "spawner/child.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace twinbeat::spawner {

namespace {

constexpr std::uint32_t kOurs = 0xffffffffU;
constexpr int kExecWaitMs = 1000;

struct Descriptors {
  int input = -1;
  int out[2] = {-1, -1};  // reading end, writing end
  int err[2] = {-1, -1};
  int report[2] = {-1, -1};

  void close_one(int& fd) const {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }
  void close_all() {
    close_one(input);
    for (int* pair : {out, err, report}) {
      close_one(pair[0]);
      close_one(pair[1]);
    }
  }
};

// A file in memory instead of a pipe: it can be of any length and nobody has to feed it.
int open_input(const std::string& input) {
  if (input.empty()) return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int fd = ::memfd_create("input", MFD_CLOEXEC);
  if (fd < 0) return -1;
  std::size_t done = 0;
  while (done < input.size()) {
    const ssize_t put = ::write(fd, input.data() + done, input.size() - done);
    if (put <= 0) {
      ::close(fd);
      return -1;
    }
    done += static_cast<std::size_t>(put);
  }
  ::lseek(fd, 0, SEEK_SET);
  return fd;
}

bool open_all(const StartRequest& request, Descriptors& fds) {
  fds.input = open_input(request.input);
  if (fds.input < 0 || ::pipe2(fds.report, O_CLOEXEC) != 0) return false;
  if ((request.flags & kCapture) != 0) {
    if (::pipe2(fds.out, O_CLOEXEC) != 0 || ::pipe2(fds.err, O_CLOEXEC) != 0) return false;
    // Only our end: a program expects its stdout to block.
    ::fcntl(fds.out[0], F_SETFL, O_NONBLOCK);
    ::fcntl(fds.err[0], F_SETFL, O_NONBLOCK);
    return true;
  }
  fds.out[1] = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  fds.err[1] = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  return fds.out[1] >= 0 && fds.err[1] >= 0;
}

[[noreturn]] void fail(int report, Stage stage) {
  const std::int32_t words[2] = {errno, static_cast<std::int32_t>(stage)};
  static_cast<void>(!::write(report, words, sizeof(words)));
  ::_exit(127);
}

bool enter_cgroup(const std::string& folder) {
  const std::string path = folder + "/cgroup.procs";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool entered = ::write(fd, "0", 1) == 1;
  ::close(fd);
  return entered;
}

bool take_identity(const StartRequest& request) {
  if (request.gid != kOurs && (::setgroups(1, &request.gid) != 0 || ::setgid(request.gid) != 0)) return false;
  return request.uid == kOurs || ::setuid(request.uid) == 0;
}

void reset_process() {
  ::setsid();
  ::umask(022);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int signal = 1; signal < NSIG; ++signal) {
    if (signal != SIGKILL && signal != SIGSTOP) ::signal(signal, SIG_DFL);
  }
  const sched_param normal{};
  static_cast<void>(::sched_setscheduler(0, SCHED_OTHER, &normal));
  static_cast<void>(::setpriority(PRIO_PROCESS, 0, 0));
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

[[noreturn]] void become(const StartRequest& request, const Descriptors& fds, char* const* argv, char* const* env) {
  const int report = fds.report[1];
  reset_process();
  if (!request.cgroup.empty() && !enter_cgroup(request.cgroup)) fail(report, Stage::kCgroup);
  if (::dup2(fds.input, 0) < 0 || ::dup2(fds.out[1], 1) < 0 || ::dup2(fds.err[1], 2) < 0) fail(report, Stage::kFork);
  if (!take_identity(request)) fail(report, Stage::kIdentity);
  if (::chdir(request.cwd.empty() ? "/" : request.cwd.c_str()) != 0) fail(report, Stage::kFolder);
  ::execve(request.program.c_str(), argv, env);
  fail(report, Stage::kExec);
}

}  // namespace

bool start_child(const StartRequest& request, Child& child, StartError& error) {
  Descriptors fds;
  error = {};
  if (!open_all(request, fds)) {
    error = {errno, Stage::kFork};
    fds.close_all();
    return false;
  }
  const std::vector<char*> argv = pointers(request.argv);
  const std::vector<char*> env = pointers(request.env);
  // A process of this size is copied in a tenth of a millisecond; vfork would run our code in our own memory.
  const pid_t pid = ::fork();
  if (pid == 0) become(request, fds, argv.data(), env.data());
  if (pid < 0) {
    error = {errno, Stage::kFork};
    fds.close_all();
    return false;
  }
  fds.close_one(fds.report[1]);
  std::int32_t words[2] = {0, 0};
  // A program on a disk that hangs must not hold up all others: then it counts as started, and ends with 127 if not.
  pollfd report{fds.report[0], POLLIN, 0};
  ssize_t got = 0;
  if (::poll(&report, 1, kExecWaitMs) > 0) got = ::read(fds.report[0], words, sizeof(words));
  if (got > 0) {  // it says why, and is about to end; the main loop reaps it
    error = {words[0], static_cast<Stage>(words[1])};
    fds.close_all();
    return false;
  }
  child.pid = pid;
  child.dies_with_daemon = (request.flags & kDieWithDaemon) != 0;
  child.out = fds.out[0];
  child.err = fds.err[0];
  fds.out[0] = -1;
  fds.err[0] = -1;
  fds.close_all();
  return true;
}

}  // namespace twinbeat::spawner
