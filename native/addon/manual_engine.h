#pragma once

#include <napi.h>

namespace twinbeat {

// Adds the class ManualEngine to the exports.
void register_manual_engine(Napi::Env env, Napi::Object exports);

}  // namespace twinbeat
