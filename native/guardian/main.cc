// twinbeat-guardian: started by the daemon, never by hand. Descriptors come by number:
//   twinbeat-guardian PAGE BELL LOCK DAEMON-PID SOCKET JOURNAL
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "guardian/guardian.h"

namespace {

using twinbeat::guard::Guardian;
using twinbeat::guard::Options;

// Above the engine's threads: it needs the processor for microseconds, and nobody may keep it waiting.
constexpr int kPriority = 12;
constexpr int kArguments = 7;

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

}  // namespace

int main(int argc, char** argv) {
  if (argc != kArguments) return fail("started by twinbeatd, not by hand");
  Options options;
  options.page_fd = number(argv[1]);
  options.bell_fd = number(argv[2]);
  const int lock_fd = number(argv[3]);
  options.pid = number(argv[4]);
  options.socket_path = argv[5];
  options.journal_path = argv[6];
  if (options.page_fd < 0 || options.bell_fd < 0 || lock_fd < 0 || options.pid <= 0) return fail("wrong arguments");
  for (const int fd : {options.page_fd, options.bell_fd, lock_fd}) static_cast<void>(::fcntl(fd, F_SETFD, FD_CLOEXEC));
  ignore_signals();
  static_cast<void>(::setsid());
  static_cast<void>(!::chdir("/"));
  options.pid_fd = static_cast<int>(::syscall(SYS_pidfd_open, options.pid, 0));
  // Its parent is the daemon, or it has ended already and the number means somebody else.
  if (options.pid_fd < 0 || ::getppid() != options.pid) return fail("the daemon is gone");
  survive_memory_shortage();
  static_cast<void>(::prctl(PR_SET_TIMERSLACK, 1UL));
  sched_param parameter{};
  parameter.sched_priority = kPriority;
  options.realtime = ::sched_setscheduler(0, SCHED_FIFO, &parameter) == 0;
  options.memory_locked = ::mlockall(MCL_CURRENT | MCL_FUTURE) == 0;
  const char* why = "";
  if (!g_guardian.open(options, &why)) return fail(why);
  return g_guardian.run();
}
