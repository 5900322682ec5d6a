#include "guardian/journal.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace twinbeat::guard {

namespace {

constexpr std::size_t kTextBytes = 400;
// Somebody who never reads it must not fill the run folder.
constexpr off_t kFileBytesMax = 64 * 1024;
constexpr int kDaemonWarning = 3 * 8 + 4;  // LOG_DAEMON | LOG_WARNING

}  // namespace

void Journal::open(const char* file) noexcept {
  file_ = ::open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, "/dev/log");
  syslog_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (syslog_ < 0) return;
  if (::connect(syslog_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    ::close(syslog_);
    syslog_ = -1;
  }
}

void Journal::write(const char* event, const char* format, ...) noexcept {
  char text[kTextBytes];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  for (char* c = text; *c != '\0'; ++c) {
    if (*c == '"' || *c == '\\' || static_cast<unsigned char>(*c) < ' ') *c = '\'';
  }
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  char line[kTextBytes + 160];
  const long long ms = static_cast<long long>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
  int size = std::snprintf(line, sizeof(line), "{\"atMs\":%lld,\"event\":\"%s\",\"text\":\"%s\"}\n", ms, event, text);
  struct stat info{};
  if (file_ >= 0 && size > 0 && ::fstat(file_, &info) == 0 && info.st_size < kFileBytesMax) {
    static_cast<void>(!::write(file_, line, static_cast<std::size_t>(size)));
  }
  size = std::snprintf(line, sizeof(line), "<%d>twinbeat-guardian[%d]: %s: %s", kDaemonWarning, ::getpid(), event, text);
  if (syslog_ >= 0 && size > 0) static_cast<void>(::send(syslog_, line, static_cast<std::size_t>(size), MSG_NOSIGNAL));
}

}  // namespace twinbeat::guard
