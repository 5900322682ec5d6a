// ManualEngine: the same engine without thread, kernel and clock, for the simulator's slower mode. Time is what
// doWork(now) says, the network is collect() and inject().
#include "addon/manual_engine.h"

#include <cmath>

#include "core/engine/engine.h"
#include "core/link/link_manual.h"

namespace twinbeat {

namespace {

constexpr double kIntegerMax = 9007199254740991.0;  // 2^53 - 1

bool is_integer(const Napi::Value& value) {
  if (!value.IsNumber()) return false;
  const double number = value.As<Napi::Number>().DoubleValue();
  return number >= 0 && number <= kIntegerMax && std::floor(number) == number;
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
                        InstanceMethod<&ManualEngine::snapshot>("snapshot")});
  }

  // (seed)
  explicit ManualEngine(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ManualEngine>(info) {
    const std::uint64_t seed =
        is_integer(info[0]) ? static_cast<std::uint64_t>(info[0].As<Napi::Number>().Int64Value()) : 0;
    engine_ = std::make_unique<Engine>(
        port_, Engine::Options{.seed = seed, .instance = 0, .factory = &ManualHub::make, .factory_context = &hub_});
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
    const bool known = type > static_cast<int>(CommandType::kConfigure) && type <= static_cast<int>(CommandType::kSend);
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

  EnginePort port_;
  ManualHub hub_;
  std::unique_ptr<Engine> engine_;
  Micros now_ = 0;
};

}  // namespace

void register_manual_engine(Napi::Env env, Napi::Object exports) {
  exports.Set("ManualEngine", ManualEngine::define(env));
}

}  // namespace twinbeat
