// Engine thread -> JavaScript. A ThreadSafeFunction call can take a millisecond, so the engine thread only writes to an
// eventfd; a thread of its own turns that into the call. Calls are coalesced: one is under way at most.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>
#include <thread>

namespace twinbeat {

class Waker {
 public:
  Waker(Napi::Env env, const Napi::Function& callback);
  ~Waker();
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  // Any thread, never blocks.
  void wake() noexcept;
  // For native threads that write to it themselves.
  [[nodiscard]] int event() const noexcept { return event_; }
  // JavaScript thread. A held waker keeps the event loop alive.
  void hold(Napi::Env env);
  void release(Napi::Env env);
  void close();

 private:
  struct Shared {
    std::atomic<bool> under_way{false};
  };

  void run();

  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  Napi::ThreadSafeFunction call_;
  int event_ = -1;
  std::atomic<bool> closing_{false};
  std::thread thread_;
};

}  // namespace twinbeat
