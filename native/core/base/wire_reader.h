// Little-endian numbers and counted text over ByteReader, as written by the TypeScript side.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/bytes.h"

namespace twinbeat {

class WireReader {
 public:
  explicit WireReader(Bytes input) noexcept : reader_(input) {}

  [[nodiscard]] bool ok() const noexcept { return reader_.ok(); }
  [[nodiscard]] std::size_t remaining() const noexcept { return reader_.remaining(); }

  std::uint8_t u8() noexcept { return static_cast<std::uint8_t>(number(1)); }
  std::uint16_t u16() noexcept { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t u32() noexcept { return static_cast<std::uint32_t>(number(4)); }
  std::uint64_t u64() noexcept { return number(8); }
  Bytes raw(std::size_t count) noexcept { return reader_.bytes(count); }
  std::string_view text() noexcept { return as_text(reader_.bytes(u16())); }

 private:
  std::uint64_t number(std::size_t count) noexcept {
    const Bytes bytes = reader_.bytes(count);
    std::uint64_t value = 0;
    for (std::size_t i = bytes.size(); i > 0; --i) value = value << 8 | bytes[i - 1];
    return value;
  }

  ByteReader reader_;
};

}  // namespace twinbeat
