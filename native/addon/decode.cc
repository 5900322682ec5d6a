// JavaScript class `Codec`: a decoder of the core with its keys. Everything crosses as numbers,
// strings and byte arrays, so no property of a caller's object is ever read from here.
#include "addon/decode.h"

#include <string>
#include <vector>

#include "core/wire/decoder.h"

namespace twinbeat {
namespace {

bool bytes_argument(const Napi::CallbackInfo& info, size_t index, Bytes* out) {
  if (info.Length() <= index || !info[index].IsTypedArray() ||
      info[index].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    Napi::TypeError::New(info.Env(), "expected a Uint8Array").ThrowAsJavaScriptException();
    return false;
  }
  const auto array = info[index].As<Napi::Uint8Array>();
  // A detached array has no memory and must not become a span over a null pointer with a length.
  *out = array.Data() == nullptr ? Bytes{} : Bytes(array.Data(), array.ElementLength());
  return true;
}

bool index_argument(const Napi::CallbackInfo& info, size_t index, std::size_t* out) {
  if (info.Length() <= index || !info[index].IsNumber()) {
    Napi::TypeError::New(info.Env(), "expected a number").ThrowAsJavaScriptException();
    return false;
  }
  const double value = info[index].As<Napi::Number>().DoubleValue();
  const bool usable = value >= 0 && value < static_cast<double>(kKeySlots);
  *out = usable ? static_cast<std::size_t>(value) : kKeySlots;
  return true;
}

bool flag_argument(const Napi::CallbackInfo& info, size_t index, bool* out) {
  if (info.Length() <= index || !info[index].IsBoolean()) {
    Napi::TypeError::New(info.Env(), "expected a boolean").ThrowAsJavaScriptException();
    return false;
  }
  *out = info[index].As<Napi::Boolean>().Value();
  return true;
}

bool text_argument(const Napi::CallbackInfo& info, size_t index, std::string* out) {
  if (info.Length() <= index || !info[index].IsString()) {
    Napi::TypeError::New(info.Env(), "expected a string").ThrowAsJavaScriptException();
    return false;
  }
  *out = info[index].As<Napi::String>().Utf8Value();
  return true;
}

Napi::Value latin1(Napi::Env env, std::string_view text) {
  napi_value value = nullptr;
  napi_create_string_latin1(env, text.data(), text.size(), &value);
  return {env, value};
}

std::string hex_of(Bytes bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text.push_back("0123456789abcdef"[byte >> 4]);
    text.push_back("0123456789abcdef"[byte & 15]);
  }
  return text;
}

Napi::Value text_or_null(Napi::Env env, std::string_view text) {
  return text.empty() ? env.Null() : latin1(env, text);
}

Napi::Array fields_of(Napi::Env env, const Message& message) {
  Napi::Array fields = Napi::Array::New(env, message.fields().size());
  uint32_t at = 0;
  for (const Field& field : message.fields()) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("name", latin1(env, field.name));
    object.Set("type", Napi::Number::New(env, static_cast<int>(field.type)));
    object.Set("value", field.type == FieldType::kText ? latin1(env, field.text())
                                                       : latin1(env, hex_of(field.value)));
    fields.Set(at++, object);
  }
  return fields;
}

std::string_view encoding_name(Encoding encoding) {
  switch (encoding) {
    case Encoding::kNetstring: return "netstring";
    case Encoding::kClassic: return "classic";
    case Encoding::kUnknown: break;
  }
  return "";
}

// Packed fields: type (1 byte), length of the name (1), length of the value (2, low byte first),
// name, value; repeated.
Status unpack_fields(Bytes packed, Message& message) {
  ByteReader reader(packed);
  while (reader.remaining() > 0) {
    const Bytes head = reader.bytes(4);
    if (!reader.ok() || head[0] > 3) return Status::kInvalid;
    const Bytes name = reader.bytes(head[1]);
    const Bytes value = reader.bytes(static_cast<std::size_t>(head[2]) | head[3] << 8);
    if (!reader.ok()) return Status::kInvalid;
    const Status status = message.add_view(as_text(name), static_cast<FieldType>(head[0]), value);
    if (status != Status::kOk) return status;
  }
  return Status::kOk;
}

class Codec : public Napi::ObjectWrap<Codec> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Codec",
                       {InstanceMethod<&Codec::set_key>("setKey"),
                        InstanceMethod<&Codec::set_signing>("setSigning"),
                        InstanceMethod<&Codec::decode>("decode"),
                        InstanceMethod<&Codec::encode>("encode"),
                        InstanceMethod<&Codec::sign>("sign")});
  }

  explicit Codec(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Codec>(info) {}

 private:
  // setKey(index, method, key) -> whether the line can be used
  Napi::Value set_key(const Napi::CallbackInfo& info) {
    std::size_t index = 0;
    std::string name;
    Bytes key;
    if (!index_argument(info, 0, &index) || !text_argument(info, 1, &name) ||
        !bytes_argument(info, 2, &key)) {
      return info.Env().Undefined();
    }
    const std::optional<AuthMethod> method = auth_method_by_name(name);
    const bool ok = method && decoder_.keyring().set(index, *method, key) == Status::kOk;
    return Napi::Boolean::New(info.Env(), ok);
  }

  // setSigning(index) -> whether that line has a key
  Napi::Value set_signing(const Napi::CallbackInfo& info) {
    std::size_t index = 0;
    if (!index_argument(info, 0, &index)) return info.Env().Undefined();
    return Napi::Boolean::New(info.Env(), decoder_.keyring().set_signing(index) == Status::kOk);
  }

  // decode(bytes, inOrder) -> { code, text, encoding, method, index, fields }
  Napi::Value decode(const Napi::CallbackInfo& info) {
    Bytes input;
    bool in_order = false;
    if (!bytes_argument(info, 0, &input) || !flag_argument(info, 1, &in_order)) {
      return info.Env().Undefined();
    }
    const Napi::Env env = info.Env();
    const Opened opened = in_order ? decoder_.decode_in_order(input) : decoder_.decode(input);
    const AuthMethod method = opened.has_auth ? decoder_.keyring().method(opened.auth_index)
                                              : AuthMethod::kNone;
    const bool known = method != AuthMethod::kNone;
    Napi::Object answer = Napi::Object::New(env);
    answer.Set("code", text_or_null(env, reason_code(opened.reason)));
    answer.Set("text", text_or_null(env, opened.detail));
    answer.Set("encoding", text_or_null(env, encoding_name(opened.encoding)));
    answer.Set("method", known ? latin1(env, auth_method_name(method)) : env.Null());
    answer.Set("index", opened.has_auth ? Napi::Number::New(env, opened.auth_index) : env.Null());
    answer.Set("fields", fields_of(env, decoder_.message()));
    return answer;
  }

  // encode(packedFields, classic, innerAuth) -> bytes or null if they cannot be encoded
  Napi::Value encode(const Napi::CallbackInfo& info) {
    Bytes packed;
    bool classic = false;
    bool inner = false;
    if (!bytes_argument(info, 0, &packed) || !flag_argument(info, 1, &classic) ||
        !flag_argument(info, 2, &inner)) {
      return info.Env().Undefined();
    }
    Message message({});  // only views: the packed bytes outlive it
    if (unpack_fields(packed, message) != Status::kOk) return info.Env().Null();
    std::vector<std::uint8_t> output(kMaxMessageBytes);
    const Encoded encoded =
        classic ? encode_classic(message, decoder_.keyring(), output)
                : encode_netstring(message, decoder_.keyring(),
                                   inner ? InnerAuth::kAdd : InnerAuth::kOmit, output);
    if (encoded.status != Status::kOk) return info.Env().Null();
    return Napi::Buffer<std::uint8_t>::Copy(info.Env(), encoded.bytes.data(), encoded.bytes.size());
  }

  // sign(bytes) -> digest text by the signing line, or null if there is none
  Napi::Value sign(const Napi::CallbackInfo& info) {
    Bytes input;
    if (!bytes_argument(info, 0, &input)) return info.Env().Undefined();
    if (!decoder_.keyring().can_sign()) return info.Env().Null();
    const Bytes parts[] = {input};
    return latin1(info.Env(), decoder_.keyring().sign(parts).view());
  }

  Decoder decoder_;
};

}  // namespace

void register_decode(Napi::Env env, Napi::Object exports) { exports.Set("Codec", Codec::define(env)); }

}  // namespace twinbeat
