// One program run for the daemon: own session and process group, folder of its own, umask 022, default signals, no
// descriptor but 0, 1 and 2.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "spawner/protocol.h"
#include "spawner/tail.h"

namespace twinbeat::spawner {

struct StartRequest {
  std::uint32_t flags = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string program;
  std::string cwd;
  std::string cgroup;  // folder of a control group to enter first; empty: none
  std::string input;   // what it reads on stdin; empty: /dev/null
  std::vector<std::string> argv;
  std::vector<std::string> env;
};

struct Child {
  std::uint32_t id = 0;
  pid_t pid = -1;
  bool dies_with_daemon = false;
  int out = -1;  // our ends, non-blocking; -1: not captured or at its end
  int err = -1;
  Tail stdout_tail;
  Tail stderr_tail;
};

struct StartError {
  int error = 0;
  Stage stage = Stage::kRequest;
};

// False and `error`: nothing runs. The child is running its program (or failed to) when this returns.
[[nodiscard]] bool start_child(const StartRequest& request, Child& child, StartError& error);

}  // namespace twinbeat::spawner
