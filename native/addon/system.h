#pragma once
#include <napi.h>

namespace twinbeat {

// Adds `exports.system`: datagram sockets for sd_notify and syslog, peer credentials, file lock,
// reboot(2), boot-time clock. Main thread only.
void register_system(Napi::Env env, Napi::Object exports);

}  // namespace twinbeat
