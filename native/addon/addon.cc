// The only Node-API code of the project lives in this folder: it converts and delegates, no logic.
#include <napi.h>

#include "addon/decode.h"
#include "addon/engine_wrap.h"
#include "addon/guard.h"
#include "addon/manual_engine.h"
#include "addon/net_query.h"
#include "addon/system.h"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("napiVersion", Napi::Number::New(env, NAPI_VERSION));
  twinbeat::register_decode(env, exports);
  twinbeat::register_system(env, exports);
  twinbeat::register_guard(env, exports);
  twinbeat::register_engine(env, exports);
  twinbeat::register_manual_engine(env, exports);
  twinbeat::register_net_query(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(twinbeat, init)
