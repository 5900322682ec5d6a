// The program inside an emulated machine. As PID 1 it runs shell commands for the host over a virtio-serial port and
// sends back what they print and how they end. Called by other names it is one of three small tools, so that nothing
// there has to start an interpreter, which takes seconds under emulation:
//   agent ask PATH       one line from standard input to a stream socket, one line of answer to standard output
//   agent beacon WORD    says WORD by broadcast on the client network ten times a second, until it is killed
//   agent watchdog PATH  tries to open a watchdog device, and says what came of it
// Frame: "TV" u8 type, u8 0, u32 id, u32 length, payload; little endian, as this machine is.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kExec = 1, kSignal = 2, kPing = 3, kOut = 10, kErr = 11, kExit = 12, kHello = 13, kPong = 14 };
enum { kJobsMax = 32, kHeaderBytes = 12, kChunkBytes = 32768, kCommandBytesMax = 1 << 20 };
enum { kBeaconPort = 7777, kBeaconEveryMs = 100, kAnswerMaxS = 10 };

struct job {
  int used;
  int done;
  int status;
  int fds[2];  // standard output and error; -1 when closed
  pid_t pid;
  uint32_t id;
};

static struct job jobs[kJobsMax];
static int port = -1;

static void put(const void* bytes, size_t size) {
  const char* at = bytes;
  while (size > 0) {
    ssize_t sent = write(port, at, size);
    if (sent < 0 && errno == EAGAIN) {
      struct pollfd room = {port, POLLOUT, 0};
      poll(&room, 1, 100);
      continue;
    }
    if (sent < 0 && errno != EINTR) return;
    if (sent > 0) {
      at += sent;
      size -= (size_t)sent;
    }
  }
}

static void send_frame(int type, uint32_t id, const void* payload, uint32_t size) {
  static unsigned char frame[kHeaderBytes + kChunkBytes];
  frame[0] = 'T';
  frame[1] = 'V';
  frame[2] = (unsigned char)type;
  frame[3] = 0;
  memcpy(frame + 4, &id, 4);
  memcpy(frame + 8, &size, 4);
  if (size > 0) memcpy(frame + kHeaderBytes, payload, size);
  put(frame, kHeaderBytes + size);
}

// What the clocks of this machine say, for the host to compare.
static void send_clocks(int type, uint32_t id) {
  struct timespec boot, real;
  char text[96];
  clock_gettime(CLOCK_BOOTTIME, &boot);
  clock_gettime(CLOCK_REALTIME, &real);
  int size = snprintf(text, sizeof text, "{\"boot\":%lld.%09ld,\"real\":%lld.%09ld}", (long long)boot.tv_sec, boot.tv_nsec,
                      (long long)real.tv_sec, real.tv_nsec);
  send_frame(type, id, text, (uint32_t)size);
}

static struct job* find(uint32_t id) {
  for (int i = 0; i < kJobsMax; i++) {
    if (jobs[i].used && jobs[i].id == id) return &jobs[i];
  }
  return 0;
}

static void become_shell(int out, int err, const char* command) {
  setsid();
  int in = open("/dev/null", O_RDONLY);
  dup2(in, 0);
  dup2(out, 1);
  dup2(err, 2);
  execl("/bin/sh", "sh", "-c", command, (char*)0);
  _exit(127);
}

static void start(uint32_t id, const char* command) {
  int slot = 0, out[2], err[2];
  const int32_t failed = 126;
  while (slot < kJobsMax && jobs[slot].used) slot++;
  if (slot == kJobsMax || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
    send_frame(kExit, id, &failed, sizeof failed);
    return;
  }
  pid_t pid = fork();
  if (pid == 0) become_shell(out[1], err[1], command);
  close(out[1]);
  close(err[1]);
  if (pid < 0) {
    close(out[0]);
    close(err[0]);
    send_frame(kExit, id, &failed, sizeof failed);
    return;
  }
  jobs[slot] = (struct job){.used = 1, .fds = {out[0], err[0]}, .pid = pid, .id = id};
}

static void obey(int type, uint32_t id, const char* payload, uint32_t size) {
  struct job* job = find(id);
  if (type == kExec) start(id, payload);
  if (type == kSignal && job != 0 && size > 0) kill(-job->pid, payload[0]);
  if (type == kPing) send_clocks(kPong, id);
}

// Whole frames are obeyed and taken off; half of one stays.
static size_t obey_all(char* bytes, size_t have) {
  size_t at = 0;
  while (have - at >= kHeaderBytes) {
    uint32_t id, size;
    memcpy(&id, bytes + at + 4, 4);
    memcpy(&size, bytes + at + 8, 4);
    if (bytes[at] != 'T' || bytes[at + 1] != 'V' || size > kCommandBytesMax) {
      at++;
      continue;
    }
    if (have - at < kHeaderBytes + size) break;
    char* payload = strndup(bytes + at + kHeaderBytes, size);
    obey(bytes[at + 2], id, payload, size);
    free(payload);
    at += kHeaderBytes + size;
  }
  memmove(bytes, bytes + at, have - at);
  return have - at;
}

static void read_output(struct job* job, int which) {
  static char chunk[kChunkBytes];
  ssize_t got = read(job->fds[which], chunk, sizeof chunk);
  if (got > 0) {
    send_frame(which == 0 ? kOut : kErr, job->id, chunk, (uint32_t)got);
    return;
  }
  close(job->fds[which]);
  job->fds[which] = -1;
}

// A job ends with its shell. What it left running may hold the pipes for ever: they are emptied, not awaited.
static void end_job(struct job* job) {
  for (int which = 0; which < 2; which++) {
    struct pollfd more = {job->fds[which], POLLIN, 0};
    while (job->fds[which] >= 0 && poll(&more, 1, 0) > 0 && (more.revents & POLLIN)) read_output(job, which);
    if (job->fds[which] >= 0) close(job->fds[which]);
  }
  int32_t code = WIFEXITED(job->status) ? WEXITSTATUS(job->status) : 128 + WTERMSIG(job->status);
  send_frame(kExit, job->id, &code, sizeof code);
  job->used = 0;
}

static void reap(void) {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    for (int i = 0; i < kJobsMax; i++) {
      if (!jobs[i].used || jobs[i].pid != pid) continue;
      jobs[i].status = status;
      end_job(&jobs[i]);
    }
  }
}

static void open_port(void) {
  while (port < 0) {
    DIR* dir = opendir("/dev");
    struct dirent* entry;
    while (dir != 0 && port < 0 && (entry = readdir(dir)) != 0) {
      char path[300];
      if (strncmp(entry->d_name, "vport", 5) != 0) continue;
      snprintf(path, sizeof path, "/dev/%s", entry->d_name);
      port = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    }
    if (dir != 0) closedir(dir);
    if (port < 0) usleep(20000);
  }
}

static void on_child(int signal) { (void)signal; }

static _Noreturn void be_init(void) {
  static char bytes[kCommandBytesMax + kHeaderBytes];
  size_t have = 0;
  struct sigaction action = {.sa_handler = on_child};
  sigaction(SIGCHLD, &action, 0);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  clearenv();
  setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
  setenv("HOME", "/root", 1);
  setenv("LANG", "C.UTF-8", 1);
  open_port();
  send_clocks(kHello, 0);
  for (;;) {
    struct pollfd fds[1 + 2 * kJobsMax];
    int owner[1 + 2 * kJobsMax], count = 1;
    fds[0] = (struct pollfd){port, POLLIN, 0};
    for (int i = 0; i < 2 * kJobsMax; i++) {
      if (!jobs[i / 2].used || jobs[i / 2].fds[i % 2] < 0) continue;
      owner[count] = i;
      fds[count++] = (struct pollfd){jobs[i / 2].fds[i % 2], POLLIN, 0};
    }
    poll(fds, (nfds_t)count, 200);
    for (int i = 1; i < count; i++) {
      if (fds[i].revents != 0) read_output(&jobs[owner[i] / 2], owner[i] % 2);
    }
    if (fds[0].revents & POLLIN) {
      ssize_t got = read(port, bytes + have, sizeof bytes - have);
      if (got > 0) have = obey_all(bytes, have + (size_t)got);
    } else if (fds[0].revents & POLLHUP) {
      usleep(50000);
    }
    reap();
  }
}

static int ask(const char* path) {
  static char line[1 << 20];
  size_t size = fread(line, 1, sizeof line, stdin);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (connect(fd, (struct sockaddr*)&address, sizeof address) != 0) return 2;
  if (write(fd, line, size) != (ssize_t)size) return 3;
  alarm(kAnswerMaxS);
  for (;;) {
    ssize_t got = read(fd, line, sizeof line);
    if (got <= 0) return 4;
    fwrite(line, 1, (size_t)got, stdout);
    if (line[got - 1] == '\n') return 0;
  }
}

static _Noreturn void be_beacon(const char* word) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(kBeaconPort)};
  int fd = socket(AF_INET, SOCK_DGRAM, 0), yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes);
  setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5);
  inet_pton(AF_INET, "10.77.0.255", &to.sin_addr);
  for (;;) {
    sendto(fd, word, strlen(word), 0, (struct sockaddr*)&to, sizeof to);
    usleep(kBeaconEveryMs * 1000);
  }
}

static int try_watchdog(const char* path) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  puts(fd < 0 ? strerror(errno) : "open");
  if (fd >= 0 && write(fd, "V", 1) == 1) close(fd);
  return 0;
}

int main(int argc, char** argv) {
  if (getpid() == 1) be_init();
  if (argc == 3 && strcmp(argv[1], "ask") == 0) return ask(argv[2]);
  if (argc == 3 && strcmp(argv[1], "beacon") == 0) be_beacon(argv[2]);
  if (argc == 3 && strcmp(argv[1], "watchdog") == 0) return try_watchdog(argv[2]);
  return 64;
}
