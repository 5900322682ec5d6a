// What lies between the engine thread and the thread that owns the engine: commands down, records up, counters. Each
// ring has one writer and one reader; the owner's calls never wait for the engine.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "abi/abi.h"
#include "core/engine/byte_ring.h"
#include "core/takeover/board.h"

namespace twinbeat {

enum class CommandType : std::uint8_t {
  kConfigure,   // a pointer to a Setup, which the engine takes over
  kStart,
  kStop,        // u8 farewell
  kStatus,      // u64 extra dead time, then the text
  kPhase,       // u8 started
  kGeneration,  // u64
  kSend,        // encoded fields
  kHolding,     // u8 slot, u8 held (2: and let go for good), u8 peer ready, u8 agent busy, u64 claim epoch
  kFreeze,      // u64 freeze limit
};

struct EnginePort {
  EnginePort() : commands(18), records(20), board(std::make_unique<TakeoverBoard>()) {}

  ByteRing commands;  // owner -> engine, 256 KiB: several of the longest messages
  ByteRing records;   // engine -> owner, 1 MiB
  std::unique_ptr<TakeoverBoard> board;
  std::atomic<std::uint64_t> records_lost{0};
  std::array<std::atomic<std::uint64_t>, kCounters> counters{};

  void count(Counter counter, std::uint64_t by = 1) noexcept {
    counters[static_cast<std::size_t>(counter)].fetch_add(by, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t counted(Counter counter) const noexcept {
    return counters[static_cast<std::size_t>(counter)].load(std::memory_order_relaxed);
  }
  void raise(Counter counter, std::uint64_t value) noexcept {
    auto& place = counters[static_cast<std::size_t>(counter)];
    if (place.load(std::memory_order_relaxed) < value) place.store(value, std::memory_order_relaxed);
  }
};

}  // namespace twinbeat
