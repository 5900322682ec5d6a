// Thin doors to system calls that Node's own library does not offer. Each call is non-blocking and
// returns a plain value or a negative errno; nothing here keeps state except the syslog socket, which
// belongs to the environment that opened it.
#include "addon/system.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstddef>
#include <string>
#include <vector>

namespace twinbeat {
namespace {

int connect_datagram(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) return -ENAMETOOLONG;
  memcpy(address.sun_path, path.data(), path.size());
  socklen_t length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  if (path[0] == '@') {  // abstract socket, as systemd may hand out
    address.sun_path[0] = '\0';
    length -= 1;
  }
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    const int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

Napi::Value number(Napi::Env env, double value) { return Napi::Number::New(env, value); }

bool string_argument(const Napi::CallbackInfo& info, size_t index, std::string* out) {
  if (info.Length() <= index || !info[index].IsString()) {
    Napi::TypeError::New(info.Env(), "expected a string").ThrowAsJavaScriptException();
    return false;
  }
  *out = info[index].As<Napi::String>().Utf8Value();
  return true;
}

bool fd_argument(const Napi::CallbackInfo& info, size_t index, int* out) {
  if (info.Length() <= index || !info[index].IsNumber()) {
    Napi::TypeError::New(info.Env(), "expected a file descriptor").ThrowAsJavaScriptException();
    return false;
  }
  *out = info[index].As<Napi::Number>().Int32Value();
  return true;
}

// connectDatagram(path) -> fd or -errno. sd_notify(3) and syslog(3) both speak to such a socket.
Napi::Value connect_datagram_call(const Napi::CallbackInfo& info) {
  std::string path;
  if (!string_argument(info, 0, &path)) return info.Env().Undefined();
  return number(info.Env(), connect_datagram(path));
}

// sendDatagram(fd, text) -> 0 or -errno. Never blocks: a full socket is the sender's loss.
Napi::Value send_datagram_call(const Napi::CallbackInfo& info) {
  int fd = -1;
  std::string text;
  if (!fd_argument(info, 0, &fd) || !string_argument(info, 1, &text)) return info.Env().Undefined();
  const ssize_t sent = send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return number(info.Env(), sent < 0 ? -errno : 0);
}

Napi::Value close_fd_call(const Napi::CallbackInfo& info) {
  int fd = -1;
  if (!fd_argument(info, 0, &fd)) return info.Env().Undefined();
  return number(info.Env(), close(fd) != 0 ? -errno : 0);
}

// peerCredentials(fd) -> [pid, uid, gid] or null (unix(7), SO_PEERCRED).
Napi::Value peer_credentials_call(const Napi::CallbackInfo& info) {
  int fd = -1;
  if (!fd_argument(info, 0, &fd)) return info.Env().Undefined();
  ucred credentials{};
  socklen_t length = sizeof(credentials);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return info.Env().Null();
  Napi::Array out = Napi::Array::New(info.Env(), 3);
  out.Set(0u, number(info.Env(), credentials.pid));
  out.Set(1u, number(info.Env(), credentials.uid));
  out.Set(2u, number(info.Env(), credentials.gid));
  return out;
}

// lockFile(path) -> fd that holds the exclusive lock, or -errno (-EWOULDBLOCK: somebody else has it).
Napi::Value lock_file_call(const Napi::CallbackInfo& info) {
  std::string path;
  if (!string_argument(info, 0, &path)) return info.Env().Undefined();
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return number(info.Env(), -errno);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    close(fd);
    return number(info.Env(), -error);
  }
  return number(info.Env(), fd);
}

// rebootNow() -> -errno; does not return when it works. reboot(2) inside a PID namespace ends only
// that namespace, which is why a sysrq write is never used instead. No sync(2) first: a hung disk must
// not keep a node alive that has to let go.
Napi::Value reboot_now_call(const Napi::CallbackInfo& info) {
  return number(info.Env(), reboot(LINUX_REBOOT_CMD_RESTART) != 0 ? -errno : 0);
}

// exitNow(code): ends the process without waiting for any other thread. exit(3) joins Node's thread pool, and a
// thread that is inside a write to a hung disk never comes back.
Napi::Value exit_now_call(const Napi::CallbackInfo& info) {
  int code = 1;
  if (!fd_argument(info, 0, &code)) return info.Env().Undefined();
  _exit(code);
}

// execReplace(program, argv, env) -> -errno; does not return when it works. The process keeps its pid, so a
// supervisor sees no restart. Node opens its descriptors close-on-exec; nothing leaks into the successor.
Napi::Value exec_replace_call(const Napi::CallbackInfo& info) {
  std::string program;
  if (!string_argument(info, 0, &program)) return info.Env().Undefined();
  std::vector<std::string> text[2];
  std::vector<char*> pointers[2];
  for (size_t list = 0; list < 2; ++list) {
    if (info.Length() <= list + 1 || !info[list + 1].IsArray()) {
      Napi::TypeError::New(info.Env(), "expected a list of strings").ThrowAsJavaScriptException();
      return info.Env().Undefined();
    }
    const Napi::Array values = info[list + 1].As<Napi::Array>();
    for (uint32_t index = 0; index < values.Length(); ++index) {
      const Napi::Value value = values.Get(index);
      if (value.IsString()) text[list].push_back(value.As<Napi::String>().Utf8Value());
    }
    for (std::string& item : text[list]) pointers[list].push_back(item.data());
    pointers[list].push_back(nullptr);
  }
  // The successor must not inherit what this process blocked or ignored.
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  execve(program.c_str(), pointers[0].data(), pointers[1].data());
  return number(info.Env(), -errno);
}

// boottimeUs() -> microseconds of CLOCK_BOOTTIME.
Napi::Value boottime_call(const Napi::CallbackInfo& info) {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return number(info.Env(), static_cast<double>(now.tv_sec) * 1e6 +
                                static_cast<double>(now.tv_nsec / 1000));
}

}  // namespace

void register_system(Napi::Env env, Napi::Object exports) {
  Napi::Object system = Napi::Object::New(env);
  system.Set("connectDatagram", Napi::Function::New(env, connect_datagram_call));
  system.Set("sendDatagram", Napi::Function::New(env, send_datagram_call));
  system.Set("closeFd", Napi::Function::New(env, close_fd_call));
  system.Set("peerCredentials", Napi::Function::New(env, peer_credentials_call));
  system.Set("lockFile", Napi::Function::New(env, lock_file_call));
  system.Set("rebootNow", Napi::Function::New(env, reboot_now_call));
  system.Set("exitNow", Napi::Function::New(env, exit_now_call));
  system.Set("execReplace", Napi::Function::New(env, exec_replace_call));
  system.Set("boottimeUs", Napi::Function::New(env, boottime_call));
  exports.Set("system", system);
}

}  // namespace twinbeat
