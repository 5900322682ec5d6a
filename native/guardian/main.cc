// twinbeat-guardian: started by the daemon, never by hand. Descriptors come by number:
//   twinbeat-guardian PAGE BELL LOCK PIDFD DAEMON-PID SOCKET JOURNAL
// The process that the daemon starts ends as soon as the guardian guards, with 0; the guardian is nobody's child, so
// that no daemon has to collect it.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "guardian/guardian.h"

namespace {

using twinbeat::guard::Guardian;
using twinbeat::guard::Options;

// Above the engine's threads: it needs the processor for microseconds, and nobody may keep it waiting.
constexpr int kPriority = 12;
constexpr int kArguments = 8;

// In the program's own data, so that locking the memory locks it.
Guardian g_guardian;

int number(const char* text) noexcept {
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  return *text != '\0' && *end == '\0' && value >= 0 && value < 1 << 30 ? static_cast<int>(value) : -1;
}

int fail(const char* why) noexcept {
  std::fprintf(stderr, "twinbeat-guardian: %s\n", why);
  return 1;
}

// It ends when there is nothing left to guard, not when a supervisor asks everything to end.
void ignore_signals() noexcept {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU}) {
    ::signal(signal, SIG_IGN);
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void survive_memory_shortage() noexcept {
  const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  static_cast<void>(!::write(fd, "-1000", 5));
  ::close(fd);
}

void leave_terminal() noexcept {
  static_cast<void>(::setsid());
  static_cast<void>(!::chdir("/"));
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return;
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) static_cast<void>(::dup2(null, fd));
  ::close(null);
}

// What has to happen in the process that stays.
const char* prepare(Options& options) noexcept {
  ignore_signals();
  survive_memory_shortage();
  static_cast<void>(::prctl(PR_SET_TIMERSLACK, 1UL));
  sched_param parameter{};
  parameter.sched_priority = kPriority;
  options.realtime = ::sched_setscheduler(0, SCHED_FIFO, &parameter) == 0;
  options.memory_locked = ::mlockall(MCL_CURRENT | MCL_FUTURE) == 0;
  const char* why = "";
  return g_guardian.open(options, &why) ? nullptr : why;
}

// The first process: the word of the second one, empty when it guards.
int await_word(int pipe) noexcept {
  char why[128];
  const ssize_t got = ::read(pipe, why, sizeof(why) - 1);
  if (got < 1) return fail("it died while it started");
  why[got] = '\0';
  return why[0] == '+' ? 0 : fail(why);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != kArguments) return fail("started by twinbeatd, not by hand");
  Options options;
  options.page_fd = number(argv[1]);
  options.bell_fd = number(argv[2]);
  const int lock_fd = number(argv[3]);
  options.pid_fd = number(argv[4]);
  options.pid = number(argv[5]);
  options.socket_path = argv[6];
  options.journal_path = argv[7];
  for (const int fd : {options.page_fd, options.bell_fd, lock_fd, options.pid_fd}) {
    if (fd <= STDERR_FILENO || ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return fail("a descriptor is missing");
  }
  int word[2];
  if (options.pid <= 0 || ::pipe2(word, O_CLOEXEC) != 0) return fail("wrong arguments");
  const pid_t child = ::fork();
  if (child < 0) return fail("no memory for a process");
  if (child > 0) {
    ::close(word[1]);
    return await_word(word[0]);
  }
  ::close(word[0]);
  leave_terminal();
  const char* why = prepare(options);
  const char* said = why == nullptr ? "+" : why;
  static_cast<void>(!::write(word[1], said, std::strlen(said)));
  ::close(word[1]);
  return why == nullptr ? g_guardian.run() : 1;
}
