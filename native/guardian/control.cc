#include "guardian/control.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace twinbeat::guard {

namespace {

bool watch(int epoll, int fd) noexcept {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

bool may_command(int fd) noexcept {
  ucred who{};
  socklen_t bytes = sizeof(who);
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &bytes) != 0) return false;
  return who.uid == 0 || who.uid == ::geteuid();
}

}  // namespace

int ControlSocket::open(const char* path, int epoll, Handler handler, void* context) noexcept {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t size = std::strlen(path);
  if (size >= sizeof(address.sun_path)) return ENAMETOOLONG;
  std::memcpy(address.sun_path, path, size);
  epoll_ = epoll;
  handler_ = handler;
  context_ = context;
  listen_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listen_ < 0) return errno;
  static_cast<void>(::unlink(path));
  const mode_t before = ::umask(0177);
  const int bound = ::bind(listen_, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int error = bound == 0 ? 0 : errno;
  ::umask(before);
  if (error != 0) return error;
  struct stat info{};
  if (::stat(path, &info) == 0) inode_ = info.st_ino;
  if (::listen(listen_, kClientsMax) != 0 || !watch(epoll_, listen_)) return errno;
  return 0;
}

bool ControlSocket::is_ours(const char* path) const noexcept {
  struct stat info{};
  return ::stat(path, &info) == 0 && info.st_ino == inode_;
}

void ControlSocket::close(const char* path) noexcept {
  if (listen_ >= 0 && is_ours(path)) static_cast<void>(::unlink(path));
  for (Client& client : clients_) {
    if (client.fd >= 0) ::close(client.fd);
    client.fd = -1;
  }
  if (listen_ >= 0) ::close(listen_);
  listen_ = -1;
}

bool ControlSocket::serve(int fd) noexcept {
  if (fd < 0) return false;
  if (fd == listen_) {
    accept_client();
    return true;
  }
  for (Client& client : clients_) {
    if (client.fd != fd) continue;
    read_client(client);
    return true;
  }
  return false;
}

void ControlSocket::accept_client() noexcept {
  const int fd = ::accept4(listen_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  for (Client& client : clients_) {
    if (client.fd >= 0) continue;
    if (!may_command(fd) || !watch(epoll_, fd)) break;
    client.fd = fd;
    client.used = 0;
    return;
  }
  ::close(fd);
}

void ControlSocket::read_client(Client& client) noexcept {
  const ssize_t got = ::recv(client.fd, client.line + client.used, sizeof(client.line) - client.used, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
  if (got > 0) client.used += static_cast<std::size_t>(got);
  char* end = static_cast<char*>(std::memchr(client.line, '\n', client.used));
  if (got <= 0 || (end == nullptr && client.used == sizeof(client.line))) {
    ::close(client.fd);
    client.fd = -1;
    return;
  }
  while (end != nullptr) {
    *end = '\0';
    char answer[kAnswerBytes] = "";
    handler_(context_, client.line, answer, sizeof(answer) - 1);
    std::strcat(answer, "\n");
    static_cast<void>(::send(client.fd, answer, std::strlen(answer), MSG_DONTWAIT | MSG_NOSIGNAL));
    const auto length = static_cast<std::size_t>(end + 1 - client.line);
    client.used -= length;
    std::memmove(client.line, end + 1, client.used);
    end = static_cast<char*>(std::memchr(client.line, '\n', client.used));
  }
}

}  // namespace twinbeat::guard
