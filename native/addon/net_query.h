#pragma once
#include <napi.h>

namespace twinbeat {

// Adds `exports.net`: what is configured here and which interface would carry an address, asked of
// the kernel on a socket of its own for each call. Main thread; a call can wait for the kernel's
// configuration lock, so not for the path of a takeover.
void register_net_query(Napi::Env env, Napi::Object exports);

}  // namespace twinbeat
