// NativeEngine: one engine with its thread, as src/engine/native.ts uses it. Converts and delegates. Arguments were
// checked in TypeScript; what could corrupt memory is checked again here. State lives in the object, never in globals.
#include "addon/engine_wrap.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <memory>
#include <thread>

#include "addon/net_port.h"
#include "addon/wake.h"
#include "core/engine/runner.h"

namespace twinbeat {

namespace {

constexpr double kIntegerMax = 9007199254740991.0;  // 2^53 - 1

bool is_integer(const Napi::Value& value, double max) {
  if (!value.IsNumber()) return false;
  const double number = value.As<Napi::Number>().DoubleValue();
  return number >= 0 && number <= max && std::floor(number) == number;
}

bool bytes_of(const Napi::Value& value, Bytes& out) {
  if (!value.IsTypedArray()) return false;
  const auto array = value.As<Napi::TypedArray>();
  if (array.TypedArrayType() != napi_uint8_array) return false;
  const auto bytes = value.As<Napi::Uint8Array>();
  out = bytes.ByteLength() == 0 ? Bytes{} : Bytes{bytes.Data(), bytes.ByteLength()};
  return true;
}

Bytes pod_bytes(const std::uint64_t& value) {
  return {reinterpret_cast<const std::uint8_t*>(&value), sizeof(value)};
}

class NativeEngine : public Napi::ObjectWrap<NativeEngine> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeEngine",
                       {InstanceMethod<&NativeEngine::configure>("configure"),
                        InstanceMethod<&NativeEngine::start>("start"),
                        InstanceMethod<&NativeEngine::stop>("stop"),
                        InstanceMethod<&NativeEngine::set_status>("setStatus"),
                        InstanceMethod<&NativeEngine::set_phase>("setPhase"),
                        InstanceMethod<&NativeEngine::set_generation>("setGeneration"),
                        InstanceMethod<&NativeEngine::send>("send"),
                        InstanceMethod<&NativeEngine::run_steps>("runSteps"),
                        InstanceMethod<&NativeEngine::watch>("watch"),
                        InstanceMethod<&NativeEngine::drain>("drain"),
                        InstanceMethod<&NativeEngine::snapshot>("snapshot"),
                        InstanceMethod<&NativeEngine::realtime>("realtime"),
                        InstanceMethod<&NativeEngine::counters>("counters"),
                        InstanceMethod<&NativeEngine::now>("now")});
  }

  // (wake: () => void, seed: number, instance: number)
  explicit NativeEngine(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NativeEngine>(info) {
    const Napi::Env env = info.Env();
    if (!info[0].IsFunction() || !is_integer(info[1], kIntegerMax) || !is_integer(info[2], 65535)) {
      Napi::TypeError::New(env, "NativeEngine(wake, seed, instance)").ThrowAsJavaScriptException();
      return;
    }
    waker_ = std::make_unique<Waker>(env, info[0].As<Napi::Function>());
    const Engine::Options options{
        .seed = static_cast<std::uint64_t>(info[1].As<Napi::Number>().Int64Value()),
        .instance = static_cast<std::uint16_t>(info[2].As<Napi::Number>().Uint32Value()),
    };
    net_ = std::make_unique<NetPort>(waker_->event());
    runner_ = std::make_unique<Runner>(port_, options, &NativeEngine::on_records, waker_.get());
    env_ = env;
    napi_add_env_cleanup_hook(env, &NativeEngine::on_env_end, this);
    hooked_ = true;
  }

  ~NativeEngine() override {
    shut_down();
    if (hooked_) napi_remove_env_cleanup_hook(env_, &NativeEngine::on_env_end, this);
  }

 private:
  static void on_records(void* context) { static_cast<Waker*>(context)->wake(); }

  static void on_env_end(void* self) {
    auto* engine = static_cast<NativeEngine*>(self);
    engine->hooked_ = false;
    engine->shut_down();
  }

  // Threads first, then the waker that they call.
  void shut_down() {
    if (runner_ != nullptr && runner_->running()) {
      while (!push(CommandType::kStop, Bytes{&kNo, 1})) std::this_thread::yield();
      runner_->stop();
    }
    if (net_ != nullptr) net_->stop();
    if (waker_ != nullptr) waker_->close();
  }

  bool push(CommandType type, Bytes first, Bytes second = {}) {
    const auto code = static_cast<std::uint8_t>(type);
    const std::array<Bytes, 3> parts{Bytes{&code, 1}, first, second};
    return port_.commands.push(parts);
  }

  Napi::Value refuse(const Napi::CallbackInfo& info, const char* why) {
    Napi::TypeError::New(info.Env(), why).ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }

  // Pushes and lets the engine know. False when the ring is full.
  Napi::Value tell(const Napi::CallbackInfo& info, CommandType type, Bytes first, Bytes second = {}) {
    const bool pushed = push(type, first, second);
    if (pushed) runner_->wake();
    return Napi::Boolean::New(info.Env(), pushed);
  }

  Napi::Value configure(const Napi::CallbackInfo& info) {
    Bytes bytes;
    if (runner_ == nullptr || !bytes_of(info[0], bytes)) return refuse(info, "configure(bytes)");
    auto setup = std::make_unique<Setup>();
    if (parse_setup(bytes, *setup) != Status::kOk) return refuse(info, "configuration bytes are invalid");
    const std::uint64_t address = reinterpret_cast<std::uintptr_t>(setup.get());
    const bool pushed = push(CommandType::kConfigure, pod_bytes(address));
    if (pushed) static_cast<void>(setup.release());
    if (pushed) runner_->wake();
    return Napi::Boolean::New(info.Env(), pushed);
  }

  Napi::Value start(const Napi::CallbackInfo& info) {
    if (runner_ == nullptr) return refuse(info, "start()");
    if (!push(CommandType::kStart, {})) return Napi::Number::New(info.Env(), EAGAIN);
    const int error = runner_->start();
    if (error == 0) waker_->hold(info.Env());
    return Napi::Number::New(info.Env(), error);
  }

  Napi::Value stop(const Napi::CallbackInfo& info) {
    if (runner_ == nullptr || !info[0].IsBoolean()) return refuse(info, "stop(farewell)");
    if (!runner_->running()) return Napi::Boolean::New(info.Env(), true);
    const std::uint8_t farewell = info[0].As<Napi::Boolean>().Value() ? 1 : 0;
    if (!push(CommandType::kStop, Bytes{&farewell, 1})) return Napi::Boolean::New(info.Env(), false);
    runner_->stop();
    waker_->release(info.Env());
    return Napi::Boolean::New(info.Env(), true);
  }

  Napi::Value set_status(const Napi::CallbackInfo& info) {
    if (runner_ == nullptr || !info[0].IsString() || !is_integer(info[1], kIntegerMax)) {
      return refuse(info, "setStatus(text, extraUs)");
    }
    const std::string text = info[0].As<Napi::String>().Utf8Value();
    const auto extra = static_cast<std::uint64_t>(info[1].As<Napi::Number>().Int64Value());
    return tell(info, CommandType::kStatus, pod_bytes(extra), as_bytes(text));
  }

  Napi::Value set_phase(const Napi::CallbackInfo& info) {
    if (runner_ == nullptr || !info[0].IsBoolean()) return refuse(info, "setPhase(started)");
    const std::uint8_t started = info[0].As<Napi::Boolean>().Value() ? 1 : 0;
    return tell(info, CommandType::kPhase, Bytes{&started, 1});
  }

  Napi::Value set_generation(const Napi::CallbackInfo& info) {
    if (runner_ == nullptr || !is_integer(info[0], kIntegerMax)) return refuse(info, "setGeneration(number)");
    const auto generation = static_cast<std::uint64_t>(info[0].As<Napi::Number>().Int64Value());
    return tell(info, CommandType::kGeneration, pod_bytes(generation));
  }

  Napi::Value send(const Napi::CallbackInfo& info) {
    Bytes fields;
    if (runner_ == nullptr || !bytes_of(info[0], fields) || fields.size() > kMaxFieldsBytes) {
      return refuse(info, "send(fields)");
    }
    return tell(info, CommandType::kSend, fields);
  }

  // 0 queued, 1 full, 2 invalid, 3 failed with errno in the upper part.
  Napi::Value answer(const Napi::CallbackInfo& info, NetPort::Answer answer) {
    const int error = answer == NetPort::Answer::kFailed ? net_->error() : 0;
    return Napi::Number::New(info.Env(), static_cast<int>(answer) + 4 * error);
  }

  Napi::Value run_steps(const Napi::CallbackInfo& info) {
    Bytes steps;
    if (runner_ == nullptr || !is_integer(info[0], kIntegerMax) || !bytes_of(info[1], steps)) {
      return refuse(info, "runSteps(token, steps)");
    }
    const auto token = static_cast<std::uint64_t>(info[0].As<Napi::Number>().Int64Value());
    return answer(info, net_->run_steps(token, steps));
  }

  Napi::Value watch(const Napi::CallbackInfo& info) {
    Bytes list;
    if (runner_ == nullptr || !bytes_of(info[0], list)) return refuse(info, "watch(list)");
    return answer(info, net_->watch(list));
  }

  // (into: Uint8Array) -> bytes written; minus the size of the next record when it does not fit.
  Napi::Value drain(const Napi::CallbackInfo& info) {
    Bytes into;
    if (runner_ == nullptr || !bytes_of(info[0], into)) return refuse(info, "drain(buffer)");
    auto* out = const_cast<std::uint8_t*>(into.data());
    std::size_t written = 0;
    std::size_t size = 0;
    while (port_.records.front_size(size)) {
      if (size > into.size() - written) {
        if (written == 0) return Napi::Number::New(info.Env(), -static_cast<double>(size));
        break;
      }
      port_.records.pop(out + written);
      written += size;
    }
    written += net_->drain({out + written, into.size() - written});
    return Napi::Number::New(info.Env(), static_cast<double>(written));
  }

  Napi::Value snapshot(const Napi::CallbackInfo& info) {
    if (runner_ == nullptr) return refuse(info, "snapshot()");
    return Napi::String::New(info.Env(), runner_->snapshot());
  }

  // [fifo, schedulingErrno, memoryLocked, memoryErrno]
  Napi::Value realtime(const Napi::CallbackInfo& info) {
    if (runner_ == nullptr) return refuse(info, "realtime()");
    const Realtime& state = runner_->realtime();
    auto list = Napi::Array::New(info.Env(), 4);
    list.Set(0U, Napi::Boolean::New(info.Env(), state.fifo));
    list.Set(1U, Napi::Number::New(info.Env(), state.scheduling_errno));
    list.Set(2U, Napi::Boolean::New(info.Env(), state.memory_locked));
    list.Set(3U, Napi::Number::New(info.Env(), state.memory_errno));
    return list;
  }

  Napi::Value counters(const Napi::CallbackInfo& info) {
    auto list = Napi::Array::New(info.Env(), kCounters);
    for (std::size_t i = 0; i < kCounters; ++i) {
      const std::uint64_t value = port_.counters[i].load(std::memory_order_relaxed);
      list.Set(static_cast<std::uint32_t>(i), Napi::Number::New(info.Env(), static_cast<double>(value)));
    }
    return list;
  }

  Napi::Value now(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(boottime_now()));
  }

  static constexpr std::uint8_t kNo = 0;

  EnginePort port_;
  std::unique_ptr<Waker> waker_;
  std::unique_ptr<NetPort> net_;
  std::unique_ptr<Runner> runner_;
  napi_env env_ = nullptr;
  bool hooked_ = false;
};

}  // namespace

void register_engine(Napi::Env env, Napi::Object exports) {
  exports.Set("abiHash", Napi::Number::New(env, abi_hash()));
  exports.Set("NativeEngine", NativeEngine::define(env));
}

}  // namespace twinbeat
