// Standard base64 with padding, as binary fields travel in the classic encoding.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "core/base/bytes.h"

namespace twinbeat {

[[nodiscard]] constexpr std::size_t base64_size(std::size_t bytes) noexcept {
  return (bytes + 2) / 3 * 4;
}

void write_base64(ByteWriter& writer, Bytes data) noexcept;

// The decoded size, or nothing if `text` is not exactly what write_base64 produces (so that a
// value has one spelling only) or `output` is too small.
[[nodiscard]] std::optional<std::size_t> read_base64(Bytes text,
                                                     std::span<std::uint8_t> output) noexcept;

}  // namespace twinbeat
