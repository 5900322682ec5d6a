#pragma once

#include <napi.h>

namespace twinbeat {

// Adds the object `guard` to the exports: what the daemon needs to start its guardian.
void register_guard(Napi::Env env, Napi::Object exports);

}  // namespace twinbeat
