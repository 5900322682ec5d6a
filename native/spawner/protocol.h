// What the daemon and the spawner say to each other over a socket: frames of
//   u32 size (of what follows) | u8 type | u32 id | payload
// little endian, as both run on one machine and come from one build. The daemon chooses the ids.
#pragma once

#include <cstddef>
#include <cstdint>

namespace twinbeat::spawner {

inline constexpr std::uint32_t kProtocolVersion = 1;
inline constexpr std::size_t kFrameMax = 2U << 20;  // arguments and environment may have 128 KiB a piece
inline constexpr std::size_t kHeaderBytes = 9;
inline constexpr std::size_t kTailBytes = 64U << 10;  // kept of each stream, the end of it
inline constexpr std::size_t kChildrenMax = 256;
inline constexpr std::size_t kStringsMax = 8192;

enum class Request : std::uint8_t {
  // u32 flags | u32 uid | u32 gid | text program | text cwd | text cgroup | text stdin
  //   | u32 argc, texts (argv[0] first) | u32 envc, texts NAME=VALUE
  // where text is u32 length and bytes. uid or gid 0xffffffff: ours.
  kStart = 1,
  kPeek = 2,  // answered by kOutput
};

enum StartFlag : std::uint32_t {
  kCapture = 1U << 0,         // keep the tail of stdout and stderr; else both are /dev/null
  kDieWithDaemon = 1U << 1,   // killed with its process group when the daemon is gone
};

enum class Reply : std::uint8_t {
  kHello = 1,    // u32 version | u32 pid; id 0
  kStarted = 2,  // u32 pid, which is also its process group and session
  kFailed = 3,   // u32 errno | u32 stage
  kOutput = 4,   // outputs
  kExited = 5,   // i32 exit code, -1: a signal | i32 signal | outputs
  // outputs: for stdout and stderr each u64 bytes left out before, text
};

enum class Stage : std::uint32_t { kRequest = 0, kFork = 1, kCgroup = 2, kIdentity = 3, kFolder = 4, kExec = 5 };

}  // namespace twinbeat::spawner
