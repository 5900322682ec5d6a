// The checksum of Linux-HA's `crc` method: polynomial 0x04C11DB7, most significant bit first,
// starting from 0, complemented at the end, the length not added. It finds damage, not forgery.
#pragma once

#include <cstdint>

#include "core/base/bytes.h"

namespace twinbeat {

class Crc32 {
 public:
  void update(Bytes data) noexcept;
  [[nodiscard]] std::uint32_t finish() const noexcept { return ~value_; }

 private:
  std::uint32_t value_ = 0;
};

}  // namespace twinbeat
