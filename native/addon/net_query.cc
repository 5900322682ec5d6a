#include "addon/net_query.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "core/net/address_query.h"

namespace twinbeat {
namespace {

// `family` 4 or 6 of a literal address, 0 for anything else.
uint8_t parse_literal(const std::string& text, net::Address& out) {
  out = net::Address{};
  if (::inet_pton(AF_INET, text.c_str(), out.bytes) == 1) return 4;
  if (::inet_pton(AF_INET6, text.c_str(), out.bytes) == 1) return 6;
  return 0;
}

Napi::Value address_text(Napi::Env env, uint8_t family, const uint8_t* bytes) {
  char text[INET6_ADDRSTRLEN] = "";
  static_cast<void>(::inet_ntop(family == 4 ? AF_INET : AF_INET6, bytes, text, sizeof(text)));
  return Napi::String::New(env, text);
}

Napi::Value seconds_or_null(Napi::Env env, uint32_t seconds) {
  return seconds == net::kLifetimeForever ? env.Null() : Napi::Number::New(env, seconds);
}

Napi::Object object_of(Napi::Env env, const net::AddressRecord& record, const char* interface) {
  const bool ipv4 = record.family == 4;
  Napi::Object object = Napi::Object::New(env);
  object.Set("family", Napi::Number::New(env, record.family));
  object.Set("address", address_text(env, record.family, record.address.bytes));
  object.Set("prefix", Napi::Number::New(env, record.prefix));
  object.Set("interface", Napi::String::New(env, interface));
  object.Set("label", record.label[0] == '\0' ? env.Null() : Napi::String::New(env, record.label));
  object.Set("broadcast",
             record.has_broadcast ? address_text(env, 4, record.broadcast) : env.Null());
  object.Set("secondary", Napi::Boolean::New(env, ipv4 && (record.flags & IFA_F_SECONDARY) != 0));
  object.Set("tentative", Napi::Boolean::New(env, (record.flags & IFA_F_TENTATIVE) != 0));
  object.Set("validSeconds", seconds_or_null(env, record.valid_lft_s));
  return object;
}

Napi::Value failed(Napi::Env env, int error) { return Napi::Number::New(env, -error); }

// addresses(family): object[] | -errno
Napi::Value addresses(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto query = std::make_unique<net::AddressQuery>();
  const net::AddressTable* table = nullptr;
  const bool given = info.Length() > 0 && info[0].IsNumber();
  const double family = given ? info[0].As<Napi::Number>().DoubleValue() : 0;
  if (family != 4 && family != 6) return failed(env, EINVAL);
  int error = query->open();
  if (error == 0) error = query->addresses(static_cast<uint8_t>(family), table);
  if (error != 0) return failed(env, error);
  Napi::Array list = Napi::Array::New(env);
  char name[net::kInterfaceNameBytes] = "";
  uint32_t named = 0;
  for (uint32_t i = 0; i < table->count; ++i) {
    const net::AddressRecord& record = table->records[i];
    // The kernel tells them interface by interface; one that is gone meanwhile has no addresses.
    if (record.ifindex != named && query->interface_name(record.ifindex, name) != 0) continue;
    named = record.ifindex;
    list.Set(list.Length(), object_of(env, record, name));
  }
  return list;
}

// route(address): object | -errno
Napi::Value route(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  net::Address address;
  if (info.Length() < 1 || !info[0].IsString()) return failed(env, EINVAL);
  const uint8_t family = parse_literal(info[0].As<Napi::String>().Utf8Value(), address);
  if (family == 0) return failed(env, EINVAL);
  const auto query = std::make_unique<net::AddressQuery>();
  net::RouteAnswer answer;
  int error = query->open();
  if (error == 0) error = query->route(family, address, answer);
  if (error != 0) return failed(env, error);
  Napi::Object object = Napi::Object::New(env);
  object.Set("interface", Napi::String::New(env, answer.interface));
  object.Set("prefix", Napi::Number::New(env, answer.prefix));
  object.Set("gateway", Napi::Boolean::New(env, answer.has_gateway));
  object.Set("local", Napi::Boolean::New(env, answer.is_local));
  return object;
}

}  // namespace

void register_net_query(Napi::Env env, Napi::Object exports) {
  Napi::Object net = Napi::Object::New(env);
  net.Set("addresses", Napi::Function::New(env, addresses, "addresses"));
  net.Set("route", Napi::Function::New(env, route, "route"));
  exports.Set("net", net);
}

}  // namespace twinbeat
