// twinbeat-spawner: runs agents, plugins and commands for the daemon. The daemon is a large process with locked
// memory: each fork of it copies its page tables and makes the engine late. This one is small and never in a hurry.
//
// It ends when the daemon's end of the socket is closed: what was to die with the daemon is killed, what else runs (a stop
// script, a reset command) is waited for.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <list>
#include <vector>

#include "spawner/child.h"
#include "spawner/frames.h"
#include "spawner/protocol.h"

namespace twinbeat::spawner {

namespace {

constexpr int kDaemon = 3;  // a connected socket that the daemon passed on
constexpr int kRoundsPerTurn = 4;
constexpr int kRoundsAtExit = 32;
constexpr int kLingerSteps = 3000;  // of a tenth of a second, after the daemon is gone

class Spawner {
 public:
  int run();

 private:
  void hello();
  [[nodiscard]] bool read_requests();
  [[nodiscard]] bool take_frames();
  void take_frame(Request type, std::uint32_t id, const std::uint8_t* data, std::size_t size);
  void start(std::uint32_t id, const std::uint8_t* data, std::size_t size);
  void peek(std::uint32_t id);
  void reap();
  void ended(Child& child, int status);
  void read_output(Child& child);
  void stop_reading(int& fd);
  void watch(int fd) const;
  void send(FrameWriter& frame);
  void daemon_gone();

  std::list<Child> children_;
  std::vector<std::uint8_t> input_;
  int epoll_ = -1;
  int signals_ = -1;
  bool connected_ = true;
};

void Spawner::watch(int fd) const {
  if (fd < 0) return;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  static_cast<void>(::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event));
}

void Spawner::stop_reading(int& fd) {
  if (fd >= 0) ::close(fd);  // which also takes it out of the epoll set
  fd = -1;
}

// Blocks when the daemon does not read: then nobody else waits for us either.
void Spawner::send(FrameWriter& frame) {
  if (!connected_) return;
  const std::vector<std::uint8_t>& bytes = frame.finish();
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t put = ::write(kDaemon, bytes.data() + done, bytes.size() - done);
    if (put > 0) {
      done += static_cast<std::size_t>(put);
    } else if (errno == EAGAIN) {
      pollfd wait{kDaemon, POLLOUT, 0};
      static_cast<void>(::poll(&wait, 1, -1));
    } else if (errno != EINTR) {
      connected_ = false;
      return;
    }
  }
}

void Spawner::hello() {
  FrameWriter frame(Reply::kHello, 0);
  frame.u32(kProtocolVersion);
  frame.u32(static_cast<std::uint32_t>(::getpid()));
  send(frame);
}

void Spawner::start(std::uint32_t id, const std::uint8_t* data, std::size_t size) {
  StartRequest request;
  StartError error;
  Child child;
  child.id = id;
  bool started = false;
  if (!parse_start(data, size, request)) {
    error = {EINVAL, Stage::kRequest};
  } else if (children_.size() >= kChildrenMax) {
    error = {EAGAIN, Stage::kRequest};
  } else {
    started = start_child(request, child, error);
  }
  if (!started) {
    FrameWriter frame(Reply::kFailed, id);
    frame.u32(static_cast<std::uint32_t>(error.error));
    frame.u32(static_cast<std::uint32_t>(error.stage));
    return send(frame);
  }
  watch(child.out);
  watch(child.err);
  FrameWriter frame(Reply::kStarted, id);
  frame.u32(static_cast<std::uint32_t>(child.pid));
  children_.push_back(std::move(child));
  send(frame);
}

void Spawner::peek(std::uint32_t id) {
  for (Child& child : children_) {
    if (child.id != id) continue;
    read_output(child);
    FrameWriter frame(Reply::kOutput, id);
    frame.tail(child.stdout_tail);
    frame.tail(child.stderr_tail);
    return send(frame);
  }
}

void Spawner::take_frame(Request type, std::uint32_t id, const std::uint8_t* data, std::size_t size) {
  switch (type) {
    case Request::kStart: return start(id, data, size);
    case Request::kPeek: return peek(id);
  }
}

// False: this is no daemon of ours.
bool Spawner::take_frames() {
  std::size_t at = 0;
  while (input_.size() - at >= kHeaderBytes) {
    std::uint32_t size = 0;
    std::uint32_t id = 0;
    std::memcpy(&size, &input_[at], sizeof(size));
    if (size < kHeaderBytes - sizeof(size) || size > kFrameMax) return false;
    if (input_.size() - at < sizeof(size) + size) break;
    std::memcpy(&id, &input_[at + 5], sizeof(id));
    take_frame(static_cast<Request>(input_[at + 4]), id, &input_[at] + kHeaderBytes, size + sizeof(size) - kHeaderBytes);
    at += sizeof(size) + size;
  }
  input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(at));
  return true;
}

// False: the daemon is gone.
bool Spawner::read_requests() {
  std::uint8_t chunk[64U << 10];
  const ssize_t got = ::read(kDaemon, chunk, sizeof(chunk));
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  if (got == 0) return false;
  input_.insert(input_.end(), chunk, chunk + got);
  return take_frames();
}

void Spawner::read_output(Child& child) {
  if (child.out >= 0 && !child.stdout_tail.read_from(child.out, kRoundsPerTurn)) stop_reading(child.out);
  if (child.err >= 0 && !child.stderr_tail.read_from(child.err, kRoundsPerTurn)) stop_reading(child.err);
}

// The end of a run is the exit of the direct child, not the end of its output: a service that it started may keep the
// pipes for ever.
void Spawner::ended(Child& child, int status) {
  if (child.out >= 0) static_cast<void>(child.stdout_tail.read_from(child.out, kRoundsAtExit));
  if (child.err >= 0) static_cast<void>(child.stderr_tail.read_from(child.err, kRoundsAtExit));
  stop_reading(child.out);
  stop_reading(child.err);
  FrameWriter frame(Reply::kExited, child.id);
  frame.i32(WIFEXITED(status) ? WEXITSTATUS(status) : -1);
  frame.i32(WIFSIGNALED(status) ? WTERMSIG(status) : 0);
  frame.tail(child.stdout_tail);
  frame.tail(child.stderr_tail);
  send(frame);
}

void Spawner::reap() {
  signalfd_siginfo ignored;
  while (::read(signals_, &ignored, sizeof(ignored)) == sizeof(ignored)) {
  }
  for (;;) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return;
    for (auto child = children_.begin(); child != children_.end(); ++child) {
      if (child->pid != pid) continue;
      ended(*child, status);
      children_.erase(child);
      break;
    }
  }
}

void Spawner::daemon_gone() {
  connected_ = false;
  for (const Child& child : children_) {
    if (child.dies_with_daemon) ::kill(-child.pid, SIGKILL);
  }
  for (int step = 0; !children_.empty() && step < kLingerSteps; ++step) {
    for (Child& child : children_) read_output(child);
    pollfd wait{signals_, POLLIN, 0};
    static_cast<void>(::poll(&wait, 1, 100));
    reap();
  }
}

int Spawner::run() {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &wanted, nullptr);
  signals_ = ::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
  if (epoll_ < 0 || signals_ < 0) return EXIT_FAILURE;
  watch(kDaemon);
  watch(signals_);
  hello();
  for (;;) {
    epoll_event events[16];
    const int count = ::epoll_wait(epoll_, events, 16, -1);
    bool dead = false;
    bool requests = false;
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == signals_) dead = true;
      else if (events[i].data.fd == kDaemon) requests = true;
    }
    // Output before exits: the tail of a run is complete when its end is told.
    for (Child& child : children_) read_output(child);
    if (dead) reap();
    if (requests && !read_requests()) break;
  }
  daemon_gone();
  return EXIT_SUCCESS;
}

}  // namespace

}  // namespace twinbeat::spawner

int main() {
  // Out of the daemon's session, and nobody's child: the daemon may replace itself by exec, and a service manager's
  // TERM to everybody must not take away what stops the resources.
  if (::fork() != 0) ::_exit(EXIT_SUCCESS);
  ::setsid();
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGQUIT}) ::signal(signal, SIG_IGN);
  static_cast<void>(::chdir("/"));
  ::fcntl(3, F_SETFD, FD_CLOEXEC);
  ::close_range(4, ~0U, 0);
  return twinbeat::spawner::Spawner().run();
}
