#include "addon/wake.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

namespace twinbeat {

Waker::Waker(Napi::Env env, const Napi::Function& callback)
    : call_(Napi::ThreadSafeFunction::New(env, callback, "twinbeat-wake", 0, 1)),
      event_(::eventfd(0, EFD_CLOEXEC)) {
  call_.Unref(env);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Waker::~Waker() { close(); }

void Waker::wake() noexcept {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(event_, &one, sizeof(one)));
}

void Waker::hold(Napi::Env env) { call_.Ref(env); }

void Waker::release(Napi::Env env) { call_.Unref(env); }

void Waker::close() {
  if (!thread_.joinable()) return;
  closing_.store(true);
  wake();
  thread_.join();
  ::close(event_);
  event_ = -1;
}

void Waker::run() {
  pthread_setname_np(pthread_self(), "twinbeat-wake");
  while (true) {
    std::uint64_t count = 0;
    if (::read(event_, &count, sizeof(count)) < 0 && errno != EINTR) break;
    if (closing_.load()) break;
    if (shared_->under_way.exchange(true)) continue;
    auto* held = new std::shared_ptr<Shared>(shared_);
    const napi_status status = call_.NonBlockingCall(
        held, [](Napi::Env env, Napi::Function callback, std::shared_ptr<Shared>* state) {
          // Cleared before the callback drains: what comes during the drain wakes again.
          (*state)->under_way.store(false);
          delete state;
          if (static_cast<napi_env>(env) != nullptr) callback.Call({});
        });
    if (status != napi_ok) delete held;
    if (status == napi_closing) break;
  }
  call_.Release();
}

}  // namespace twinbeat
