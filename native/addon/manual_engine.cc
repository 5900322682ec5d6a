// ManualEngine: the same engine without thread, kernel and clock, for the simulator's slower mode. Time is what
// doWork(now) says, the network is collect() and inject().
#include "addon/manual_engine.h"

#include <arpa/inet.h>

#include <cmath>

#include "core/engine/engine.h"
#include "core/link/link_manual.h"
#include "core/takeover/controller.h"
#include "core/takeover/manual_guardian.h"
#include "core/takeover/manual_steps.h"

namespace twinbeat {

namespace {

constexpr double kIntegerMax = 9007199254740991.0;  // 2^53 - 1

bool is_integer(const Napi::Value& value) {
  if (!value.IsNumber()) return false;
  const double number = value.As<Napi::Number>().DoubleValue();
  return number >= 0 && number <= kIntegerMax && std::floor(number) == number;
}

bool are_integers(const Napi::CallbackInfo& info, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_integer(info[i])) return false;
  }
  return true;
}

std::uint64_t number_of(const Napi::Value& value) {
  return static_cast<std::uint64_t>(value.As<Napi::Number>().Int64Value());
}

bool bytes_of(const Napi::Value& value, Bytes& out) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) return false;
  const auto bytes = value.As<Napi::Uint8Array>();
  out = bytes.ByteLength() == 0 ? Bytes{} : Bytes{bytes.Data(), bytes.ByteLength()};
  return true;
}

class ManualEngine : public Napi::ObjectWrap<ManualEngine> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "ManualEngine",
                       {InstanceMethod<&ManualEngine::configure>("configure"),
                        InstanceMethod<&ManualEngine::command>("command"),
                        InstanceMethod<&ManualEngine::do_work>("doWork"),
                        InstanceMethod<&ManualEngine::inject>("inject"),
                        InstanceMethod<&ManualEngine::collect>("collect"),
                        InstanceMethod<&ManualEngine::drain>("drain"),
                        InstanceMethod<&ManualEngine::guardian>("guardian"),
                        InstanceMethod<&ManualEngine::set_interface>("setInterface"),
                        InstanceMethod<&ManualEngine::set_limits>("setLimits"),
                        InstanceMethod<&ManualEngine::set_groups>("setGroups"),
                        InstanceMethod<&ManualEngine::set_holding>("setHolding"),
                        InstanceMethod<&ManualEngine::arm_plan>("armPlan"),
                        InstanceMethod<&ManualEngine::disarm_plan>("disarmPlan"),
                        InstanceMethod<&ManualEngine::fire_plan>("firePlan"),
                        InstanceMethod<&ManualEngine::renew_controller>("renewController"),
                        InstanceMethod<&ManualEngine::renew_ownership>("renewOwnership"),
                        InstanceMethod<&ManualEngine::batches>("batches"),
                        InstanceMethod<&ManualEngine::finish_batch>("finishBatch"),
                        InstanceMethod<&ManualEngine::last_words>("lastWords"),
                        InstanceMethod<&ManualEngine::snapshot>("snapshot")});
  }

  // (seed)
  explicit ManualEngine(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ManualEngine>(info) {
    const std::uint64_t seed =
        is_integer(info[0]) ? static_cast<std::uint64_t>(info[0].As<Napi::Number>().Int64Value()) : 0;
    engine_ = std::make_unique<Engine>(
        port_, Engine::Options{.seed = seed, .instance = 0, .factory = &ManualHub::make, .factory_context = &hub_,
                               .steps = &steps_});
  }

  ~ManualEngine() override {
    if (guardian_ != nullptr) port_.board->page.drop_lock(guard::kNetLock);
  }

 private:
  Napi::Value refuse(const Napi::CallbackInfo& info, const char* why) {
    Napi::TypeError::New(info.Env(), why).ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }

  Napi::Value configure(const Napi::CallbackInfo& info) {
    Bytes bytes;
    auto setup = std::make_unique<Setup>();
    if (!bytes_of(info[0], bytes) || parse_setup(bytes, *setup) != Status::kOk) return refuse(info, "configure(bytes)");
    const std::uint64_t address = reinterpret_cast<std::uintptr_t>(setup.get());
    const auto code = static_cast<std::uint8_t>(CommandType::kConfigure);
    const std::array<Bytes, 2> parts{Bytes{&code, 1},
                                     Bytes{reinterpret_cast<const std::uint8_t*>(&address), sizeof(address)}};
    const bool pushed = port_.commands.push(parts);
    if (pushed) static_cast<void>(setup.release());
    return Napi::Boolean::New(info.Env(), pushed);
  }

  // (type, bytes): a command of port.h in its own form, but never a configuration, which is a pointer.
  Napi::Value command(const Napi::CallbackInfo& info) {
    Bytes bytes;
    if (!is_integer(info[0]) || !bytes_of(info[1], bytes)) return refuse(info, "command(type, bytes)");
    const std::int64_t type = info[0].As<Napi::Number>().Int64Value();
    const bool known = type > static_cast<int>(CommandType::kConfigure) && type <= static_cast<int>(CommandType::kFreeze);
    if (!known || bytes.size() > kMaxFieldsBytes) return refuse(info, "command(type, bytes)");
    const auto code = static_cast<std::uint8_t>(type);
    const std::array<Bytes, 2> parts{Bytes{&code, 1}, bytes};
    return Napi::Boolean::New(info.Env(), port_.commands.push(parts));
  }

  // (nowUs, wallUs) -> when the next cycle is due, null for never.
  Napi::Value do_work(const Napi::CallbackInfo& info) {
    if (!is_integer(info[0]) || !is_integer(info[1])) return refuse(info, "doWork(nowUs, wallUs)");
    const Cycle cycle{info[0].As<Napi::Number>().Int64Value(), info[1].As<Napi::Number>().Int64Value()};
    if (cycle.now < now_) return refuse(info, "time goes forward");
    now_ = cycle.now;
    engine_->do_work(cycle);
    const Micros next = engine_->next_deadline();
    if (next >= kNever) return info.Env().Null();
    return Napi::Number::New(info.Env(), static_cast<double>(next));
  }

  // (link, bytes, atUs) -> false when no such link is open.
  Napi::Value inject(const Napi::CallbackInfo& info) {
    Bytes bytes;
    if (!info[0].IsString() || !bytes_of(info[1], bytes) || !is_integer(info[2]) || bytes.size() > kMaxMessageBytes) {
      return refuse(info, "inject(link, bytes, atUs)");
    }
    const std::string link = info[0].As<Napi::String>().Utf8Value();
    return Napi::Boolean::New(info.Env(), hub_.inject(link, bytes, info[2].As<Napi::Number>().Int64Value()));
  }

  // -> [{ link, bytes }] of everything sent since the last call.
  Napi::Value collect(const Napi::CallbackInfo& info) {
    const std::vector<ManualPacket> sent = hub_.collect();
    auto list = Napi::Array::New(info.Env(), sent.size());
    for (std::size_t i = 0; i < sent.size(); ++i) {
      auto packet = Napi::Object::New(info.Env());
      packet.Set("link", sent[i].link);
      packet.Set("bytes", Napi::Buffer<std::uint8_t>::Copy(info.Env(), sent[i].bytes.data(), sent[i].bytes.size()));
      list.Set(static_cast<std::uint32_t>(i), packet);
    }
    return list;
  }

  // -> all pending records, back to back.
  Napi::Value drain(const Napi::CallbackInfo& info) {
    std::vector<std::uint8_t> all;
    std::size_t size = 0;
    while (port_.records.front_size(size)) {
      all.resize(all.size() + size);
      port_.records.pop(all.data() + all.size() - size);
    }
    return Napi::Buffer<std::uint8_t>::Copy(info.Env(), all.data(), all.size());
  }

  Napi::Value snapshot(const Napi::CallbackInfo& info) {
    std::vector<char> text(512 * 1024);
    const std::size_t size = engine_->write_snapshot(text, now_);
    return Napi::String::New(info.Env(), text.data(), size);
  }

  // ('come' | 'acknowledge' | 'go'): one is there, holds what was written ahead, is gone.
  Napi::Value guardian(const Napi::CallbackInfo& info) {
    const std::string what = info[0].IsString() ? info[0].As<Napi::String>().Utf8Value() : "";
    if (what == "come" && guardian_ == nullptr) {
      guardian_ = std::make_unique<ManualGuardian>();
      const bool there = guardian_->ok() && controller_.attach(guardian_->page_fd(), guardian_->bell_fd()) == 0 &&
                         port_.board->page.take_lock(guard::kNetLock) == 0;
      if (!there) return refuse(info, "no page for a guardian");
    } else if (what == "acknowledge" && guardian_ != nullptr) {
      guardian_->acknowledge();
    } else if (what == "go" && guardian_ != nullptr) {
      guardian_->leave();
    } else {
      return refuse(info, "guardian('come' | 'acknowledge' | 'go')");
    }
    return info.Env().Undefined();
  }

  // (name, identity, up): as the netlink thread would see it; identity 0: it is not there.
  Napi::Value set_interface(const Napi::CallbackInfo& info) {
    if (!info[0].IsString() || !is_integer(info[1]) || !info[2].IsBoolean()) {
      return refuse(info, "setInterface(name, identity, up)");
    }
    const auto place = port_.board->interfaces.place_of(info[0].As<Napi::String>().Utf8Value());
    if (!place) return refuse(info, "too many interfaces");
    const bool up = info[2].As<Napi::Boolean>().Value();
    const auto identity = static_cast<std::uint32_t>(number_of(info[1]));
    port_.board->interfaces.update(*place, {.identity = identity, .present = identity != 0, .up = up, .carrier = up});
    return info.Env().Undefined();
  }

  Napi::Value set_limits(const Napi::CallbackInfo& info) {
    if (!are_integers(info, 4)) return refuse(info, "setLimits(withholdUs, releaseUs, resetUs, stopBudgetUs)");
    port_.board->stop_budget_us.store(static_cast<Micros>(number_of(info[3])));
    port_.board->lease.withhold_us.store(static_cast<Micros>(number_of(info[0])));
    port_.board->lease.release_us.store(static_cast<Micros>(number_of(info[1])));
    port_.board->lease.reset_us.store(static_cast<Micros>(number_of(info[2])));
    return info.Env().Undefined();
  }

  Napi::Value set_groups(const Napi::CallbackInfo& info) {
    Bytes bytes;
    if (!bytes_of(info[0], bytes)) return refuse(info, "setGroups(bytes)");
    return Napi::Number::New(info.Env(), static_cast<int>(controller_.set_groups(bytes)));
  }

  Napi::Value set_holding(const Napi::CallbackInfo& info) {
    if (!are_integers(info, 5) || number_of(info[0]) >= kSlots) return refuse(info, "setHolding(...)");
    std::array<std::uint8_t, 5> head{static_cast<std::uint8_t>(CommandType::kHolding)};
    for (std::uint32_t i = 0; i < 4; ++i) head[i + 1] = static_cast<std::uint8_t>(number_of(info[i]));
    const std::uint64_t epoch = number_of(info[4]);
    controller_.note_held(head[1], head[2] != 0);
    const std::array<Bytes, 2> parts{head, Bytes{reinterpret_cast<const std::uint8_t*>(&epoch), sizeof(epoch)}};
    return Napi::Boolean::New(info.Env(), port_.commands.push(parts));
  }

  Napi::Value arm_plan(const Napi::CallbackInfo& info) {
    Bytes bytes;
    if (!bytes_of(info[0], bytes)) return refuse(info, "armPlan(bytes)");
    const std::size_t slot = TakeoverController::slot_of(bytes);
    const std::uint32_t stamp = slot < kSlots ? steps_.group_stamp(static_cast<std::uint32_t>(slot)) : 0;
    return Napi::Number::New(info.Env(), static_cast<int>(controller_.arm(bytes, stamp)));
  }

  Napi::Value disarm_plan(const Napi::CallbackInfo& info) {
    if (!are_integers(info, 2)) return refuse(info, "disarmPlan(slot, epoch)");
    return Napi::Number::New(info.Env(), static_cast<int>(controller_.disarm(number_of(info[0]), number_of(info[1]))));
  }

  Napi::Value fire_plan(const Napi::CallbackInfo& info) {
    if (!are_integers(info, 5) || number_of(info[2]) >= kAuthorityKinds) return refuse(info, "firePlan(...)");
    const PlanAuthority authority{.kind = static_cast<AuthorityKind>(number_of(info[2])),
                                  .peer_generation = number_of(info[3]),
                                  .not_after = static_cast<Micros>(number_of(info[4]))};
    return Napi::Number::New(info.Env(), static_cast<int>(controller_.fire(number_of(info[0]), number_of(info[1]), authority)));
  }

  // (nowUs): the caller's clock may be ahead of the last cycle.
  Napi::Value renew_controller(const Napi::CallbackInfo& info) {
    if (!are_integers(info, 1)) return refuse(info, "renewController(nowUs)");
    return Napi::Boolean::New(info.Env(), controller_.renew(static_cast<Micros>(number_of(info[0]))));
  }

  // (slot, token, deadlineAtUs, nowUs)
  Napi::Value renew_ownership(const Napi::CallbackInfo& info) {
    if (!are_integers(info, 4)) return refuse(info, "renewOwnership(slot, token, deadlineAtUs, nowUs)");
    const auto deadline = static_cast<Micros>(number_of(info[2]));
    const auto now = static_cast<Micros>(number_of(info[3]));
    return Napi::Boolean::New(info.Env(),
                              controller_.renew_ownership(number_of(info[0]), number_of(info[1]), deadline, now));
  }

  // -> what the netlink thread would have to do: [{ slot, refresh, notAfterUs, steps: [[op, address, lifetimeS]] }]
  Napi::Value batches(const Napi::CallbackInfo& info) {
    auto list = Napi::Array::New(info.Env());
    for (const auto& batch : steps_.waiting()) {
      auto steps = Napi::Array::New(info.Env(), batch->count);
      for (std::uint32_t i = 0; i < batch->count; ++i) {
        const net::AddressStep& step = batch->steps[i];
        std::array<char, INET6_ADDRSTRLEN> text{};
        ::inet_ntop(step.family == 4 ? AF_INET : AF_INET6, step.address.bytes, text.data(), text.size());
        auto one = Napi::Array::New(info.Env(), 3);
        one.Set(0U, static_cast<double>(static_cast<int>(step.op)));
        one.Set(1U, text.data());
        one.Set(2U, static_cast<double>(step.valid_lft_s));
        steps.Set(i, one);
      }
      auto object = Napi::Object::New(info.Env());
      object.Set("slot", static_cast<double>(batch->group));
      object.Set("refresh", (batch->flags & net::kBatchRefresh) != 0);
      object.Set("notAfterUs", static_cast<double>(batch->not_after_us));
      object.Set("steps", steps);
      list.Set(list.Length(), object);
    }
    return list;
  }

  // (errnos, nowUs): the oldest batch is done; steps beyond the list succeeded.
  Napi::Value finish_batch(const Napi::CallbackInfo& info) {
    if (!info[0].IsArray() || !is_integer(info[1]) || steps_.waiting().empty()) {
      return refuse(info, "finishBatch(errnos, nowUs)");
    }
    const auto errnos = info[0].As<Napi::Array>();
    std::vector<int> errors;
    for (std::uint32_t i = 0; i < errnos.Length() && i < net::kBatchStepsMax; ++i) {
      const Napi::Value error = errnos.Get(i);
      if (!is_integer(error)) return refuse(info, "errnos are numbers");
      errors.push_back(static_cast<int>(number_of(error)));
    }
    steps_.finish(errors, static_cast<Micros>(number_of(info[1])));
    return info.Env().Undefined();
  }

  // (slot) -> the datagram that the guardian would send for this group, null when there is none.
  Napi::Value last_words(const Napi::CallbackInfo& info) {
    if (!are_integers(info, 1) || number_of(info[0]) >= kSlots) return refuse(info, "lastWords(slot)");
    if (guardian_ == nullptr) return info.Env().Null();
    const guard::Gasp& gasp = guardian_->page().groups[number_of(info[0])].gasp;
    if (gasp.valid.load() == 0) return info.Env().Null();
    return Napi::Buffer<std::uint8_t>::Copy(info.Env(), gasp.datagram, gasp.datagram_bytes);
  }

  EnginePort port_;
  TakeoverController controller_{*port_.board};
  std::unique_ptr<ManualGuardian> guardian_;
  ManualSteps steps_;
  ManualHub hub_;
  std::unique_ptr<Engine> engine_;
  Micros now_ = 0;
};

}  // namespace

void register_manual_engine(Napi::Env env, Napi::Object exports) {
  exports.Set("ManualEngine", ManualEngine::define(env));
}

}  // namespace twinbeat
