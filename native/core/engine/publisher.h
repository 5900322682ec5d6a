// Writes records into the ring. A record that does not fit is counted; the next one that fits is preceded by
// `overflow`, so the reader knows that only the snapshot is true now. Engine thread only.
#pragma once

#include <string_view>

#include "abi/abi.h"
#include "core/base/clock.h"
#include "core/engine/port.h"

namespace twinbeat {

struct Record {
  RecordType type;
  Micros at = 0;
  std::uint8_t flags = 0;
  std::uint64_t generation = 0;
  std::uint64_t previous = 0;
  std::int64_t value_us = 0;
  std::uint32_t count = 0;
  std::int32_t number = 0;
  std::string_view node{};
  std::string_view link{};
  std::string_view text{};
  std::string_view extra{};
  Bytes body{};
};

class Publisher {
 public:
  explicit Publisher(EnginePort& port) noexcept : port_(port) {}

  // False when the record was lost.
  bool publish(const Record& record) noexcept;
  // Something was published since the last call: the owner wants to be woken.
  [[nodiscard]] bool take_dirty() noexcept {
    const bool dirty = dirty_;
    dirty_ = false;
    return dirty;
  }

 private:
  [[nodiscard]] bool push(const Record& record) noexcept;

  EnginePort& port_;
  std::uint64_t lost_ = 0;
  bool dirty_ = false;
};

}  // namespace twinbeat
