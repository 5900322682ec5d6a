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
#include "core/takeover/controller.h"

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
                        InstanceMethod<&NativeEngine::attach_guardian>("attachGuardian"),
                        InstanceMethod<&NativeEngine::set_limits>("setLimits"),
                        InstanceMethod<&NativeEngine::set_groups>("setGroups"),
                        InstanceMethod<&NativeEngine::set_holding>("setHolding"),
                        InstanceMethod<&NativeEngine::arm_plan>("armPlan"),
                        InstanceMethod<&NativeEngine::disarm_plan>("disarmPlan"),
                        InstanceMethod<&NativeEngine::fire_plan>("firePlan"),
                        InstanceMethod<&NativeEngine::renew_controller>("renewController"),
                        InstanceMethod<&NativeEngine::renew_ownership>("renewOwnership"),
                        InstanceMethod<&NativeEngine::lapsed>("lapsed"),
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
    net_ = std::make_unique<NetPort>(waker_->event(), *port_.board);
    const Engine::Options options{
        .seed = static_cast<std::uint64_t>(info[1].As<Napi::Number>().Int64Value()),
        .instance = static_cast<std::uint16_t>(info[2].As<Napi::Number>().Uint32Value()),
        .steps = net_.get(),
    };
    runner_ = std::make_unique<Runner>(port_, options, &NativeEngine::on_records, waker_.get());
    net_->set_engine_wake(runner_->event_fd());
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
    if (runner_ == nullptr || !is_integer(info[0], kIntegerMax) || !bytes_of(info[1], steps) ||
        !is_integer(info[2], kNoGroup) || !is_integer(info[3], kIntegerMax)) {
      return refuse(info, "runSteps(token, steps, slot, notAfterUs)");
    }
    const auto slot = static_cast<std::uint32_t>(number_of(info[2]));
    return answer(info, net_->run_steps(number_of(info[0]), steps, slot < kSlots ? slot : kNoGroup,
                                        static_cast<Micros>(number_of(info[3]))));
  }

  Napi::Value watch(const Napi::CallbackInfo& info) {
    Bytes list;
    if (runner_ == nullptr || !bytes_of(info[0], list)) return refuse(info, "watch(list)");
    return answer(info, net_->watch(list));
  }

  static std::uint64_t number_of(const Napi::Value& value) {
    return static_cast<std::uint64_t>(value.As<Napi::Number>().Int64Value());
  }

  // All of them integers within these bounds.
  static bool are_integers(const Napi::CallbackInfo& info, std::size_t count) {
    if (info.Length() < count) return false;
    for (std::size_t i = 0; i < count; ++i) {
      if (!is_integer(info[i], kIntegerMax)) return false;
    }
    return true;
  }

  // (pageFd, socketFd) -> 0 or an errno.
  Napi::Value attach_guardian(const Napi::CallbackInfo& info) {
    if (runner_ == nullptr || !are_integers(info, 2)) return refuse(info, "attachGuardian(pageFd, socketFd)");
    // The page is mapped for good: a thread may be looking at it.
    if (runner_->running() && !port_.board->page.is_open()) return Napi::Number::New(info.Env(), EBUSY);
    int error = controller_.attach(info[0].As<Napi::Number>().Int32Value(), info[1].As<Napi::Number>().Int32Value());
    if (error == 0 && net_->look() == NetPort::Answer::kFailed) error = net_->error();
    if (error == 0) runner_->wake();
    return Napi::Number::New(info.Env(), error);
  }

  // (withholdUs, releaseUs, resetUs, freezeUs, stopBudgetUs)
  Napi::Value set_limits(const Napi::CallbackInfo& info) {
    if (runner_ == nullptr || !are_integers(info, 5)) {
      return refuse(info, "setLimits(withhold, release, reset, freeze, stopBudget)");
    }
    port_.board->stop_budget_us.store(static_cast<Micros>(number_of(info[4])), std::memory_order_release);
    ControllerLease& lease = port_.board->lease;
    lease.withhold_us.store(static_cast<Micros>(number_of(info[0])), std::memory_order_release);
    lease.release_us.store(static_cast<Micros>(number_of(info[1])), std::memory_order_release);
    lease.reset_us.store(static_cast<Micros>(number_of(info[2])), std::memory_order_release);
    return tell(info, CommandType::kFreeze, pod_bytes(number_of(info[3])));
  }

  // (bytes) -> TakeoverController::Groups
  Napi::Value set_groups(const Napi::CallbackInfo& info) {
    Bytes bytes;
    if (runner_ == nullptr || !bytes_of(info[0], bytes)) return refuse(info, "setGroups(bytes)");
    const auto answer = controller_.set_groups(bytes);
    if (answer == TakeoverController::Groups::kPublished) {
      if (port_.board->page.is_open()) static_cast<void>(net_->look());
      runner_->wake();
    }
    return Napi::Number::New(info.Env(), static_cast<int>(answer));
  }

  // (slot, held, peerReady, agentBusy, claimEpoch), 0 or 1 for the truth values
  Napi::Value set_holding(const Napi::CallbackInfo& info) {
    if (runner_ == nullptr || !are_integers(info, 5) || number_of(info[0]) >= kSlots) {
      return refuse(info, "setHolding(slot, held, peerReady, agentBusy, claimEpoch)");
    }
    std::array<std::uint8_t, 4> flags{};
    for (std::uint32_t i = 0; i < flags.size(); ++i) flags[i] = static_cast<std::uint8_t>(number_of(info[i]));
    controller_.note_held(flags[0], flags[1] != 0);
    return tell(info, CommandType::kHolding, flags, pod_bytes(number_of(info[4])));
  }

  // (bytes) -> TakeoverController::Arm
  Napi::Value arm_plan(const Napi::CallbackInfo& info) {
    Bytes bytes;
    if (runner_ == nullptr || !bytes_of(info[0], bytes)) return refuse(info, "armPlan(bytes)");
    const std::size_t slot = TakeoverController::slot_of(bytes);
    const std::uint32_t stamp = slot < kSlots ? net_->group_stamp(static_cast<std::uint32_t>(slot)) : 0;
    return Napi::Number::New(info.Env(), static_cast<int>(controller_.arm(bytes, stamp)));
  }

  // (slot, epoch) -> DisarmAnswer
  Napi::Value disarm_plan(const Napi::CallbackInfo& info) {
    if (runner_ == nullptr || !are_integers(info, 2)) return refuse(info, "disarmPlan(slot, epoch)");
    return Napi::Number::New(info.Env(), static_cast<int>(controller_.disarm(number_of(info[0]), number_of(info[1]))));
  }

  // (slot, epoch, kind, peerGeneration, notAfterUs) -> TakeoverController::Fire
  Napi::Value fire_plan(const Napi::CallbackInfo& info) {
    if (runner_ == nullptr || !are_integers(info, 5) || number_of(info[2]) >= kAuthorityKinds) {
      return refuse(info, "firePlan(slot, epoch, kind, peerGeneration, notAfterUs)");
    }
    const PlanAuthority authority{.kind = static_cast<AuthorityKind>(number_of(info[2])),
                                  .peer_generation = number_of(info[3]),
                                  .not_after = static_cast<Micros>(number_of(info[4]))};
    const auto fire = controller_.fire(number_of(info[0]), number_of(info[1]), authority);
    if (fire == TakeoverController::Fire::kMarked) runner_->wake();
    return Napi::Number::New(info.Env(), static_cast<int>(fire));
  }

  Napi::Value renew_controller(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), controller_.renew(boottime_now()));
  }

  // (slot, token, deadlineAtUs; 0 ends it)
  Napi::Value renew_ownership(const Napi::CallbackInfo& info) {
    if (runner_ == nullptr || !are_integers(info, 3)) return refuse(info, "renewOwnership(slot, token, deadlineAtUs)");
    const bool renewed = controller_.renew_ownership(number_of(info[0]), number_of(info[1]),
                                                     static_cast<Micros>(number_of(info[2])), boottime_now());
    if (renewed) runner_->wake();
    return Napi::Boolean::New(info.Env(), renewed);
  }

  Napi::Value lapsed(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), port_.board->lease.ended());
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
  TakeoverController controller_{*port_.board};
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
