// Descriptors that the daemon shares with its guardian, and what the daemon does to its own process for its sake. Each
// call answers a plain value or a negative errno. No state.
#include "addon/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

#include "core/guard/page_writer.h"

namespace twinbeat {
namespace {

Napi::Value number(const Napi::CallbackInfo& info, double value) { return Napi::Number::New(info.Env(), value); }

// createPage() -> fd or -errno.
Napi::Value create_page_call(const Napi::CallbackInfo& info) { return number(info, guard::create_page()); }

// bellPair() -> [fd, fd], or -errno: engine's end and guardian's end.
Napi::Value bell_pair_call(const Napi::CallbackInfo& info) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return number(info, -errno);
  auto list = Napi::Array::New(info.Env(), 2);
  list.Set(0U, number(info, ends[0]));
  list.Set(1U, number(info, ends[1]));
  return list;
}

// ownPidfd() -> fd or -errno: this process, whatever program it becomes.
Napi::Value own_pidfd_call(const Napi::CallbackInfo& info) {
  const auto fd = static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0));
  return number(info, fd < 0 ? -errno : fd);
}

// openLock(path) -> fd or -errno; not locked yet.
Napi::Value open_lock_call(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) {
    Napi::TypeError::New(info.Env(), "openLock(path)").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  return number(info, fd < 0 ? -errno : fd);
}

// lock(fd) -> 0 or -errno (-EWOULDBLOCK: somebody else has it). Whoever shares the descriptor shares the lock.
Napi::Value lock_call(const Napi::CallbackInfo& info) {
  if (!info[0].IsNumber()) {
    Napi::TypeError::New(info.Env(), "lock(fd)").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  return number(info, flock(info[0].As<Napi::Number>().Int32Value(), LOCK_EX | LOCK_NB) == 0 ? 0 : -errno);
}

// dumpNoCore() -> 0 or -errno. The limit RLIMIT_CORE stays: services would inherit it; this ends at their exec.
Napi::Value dump_no_core_call(const Napi::CallbackInfo& info) {
  return number(info, prctl(PR_SET_DUMPABLE, 0) == 0 ? 0 : -errno);
}

}  // namespace

void register_guard(Napi::Env env, Napi::Object exports) {
  Napi::Object guard = Napi::Object::New(env);
  guard.Set("createPage", Napi::Function::New(env, create_page_call));
  guard.Set("bellPair", Napi::Function::New(env, bell_pair_call));
  guard.Set("ownPidfd", Napi::Function::New(env, own_pidfd_call));
  guard.Set("openLock", Napi::Function::New(env, open_lock_call));
  guard.Set("lock", Napi::Function::New(env, lock_call));
  guard.Set("dumpNoCore", Napi::Function::New(env, dump_no_core_call));
  exports.Set("guard", guard);
}

}  // namespace twinbeat
