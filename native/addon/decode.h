#pragma once
#include <napi.h>

namespace twinbeat {

// Adds `exports.Codec`: Linux-HA messages from and to bytes, for `twinbeat decode` and for tests.
void register_decode(Napi::Env env, Napi::Object exports);

}  // namespace twinbeat
