#pragma once

#include <napi.h>

namespace twinbeat {

// Adds the class NativeEngine and abiHash to the exports.
void register_engine(Napi::Env env, Napi::Object exports);

}  // namespace twinbeat
