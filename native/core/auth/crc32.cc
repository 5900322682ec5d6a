#include "core/auth/crc32.h"

#include <array>

namespace twinbeat {

namespace {

// kTables[k][b]: what byte b contributes when k more bytes follow it, so that eight bytes are
// eight independent look-ups.
using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr Tables make_tables() noexcept {
  Tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t value = byte << 24;
    for (int bit = 0; bit < 8; ++bit) {
      value = (value & 0x80000000u) != 0 ? value << 1 ^ 0x04c11db7u : value << 1;
    }
    tables[0][byte] = value;
  }
  for (std::size_t k = 1; k < tables.size(); ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = tables[k - 1][byte];
      tables[k][byte] = before << 8 ^ tables[0][before >> 24];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

}  // namespace

void Crc32::update(Bytes data) noexcept {
  std::uint32_t value = value_;
  while (data.size() >= 8) {
    const std::uint32_t head = value ^ (static_cast<std::uint32_t>(data[0]) << 24 |
                                        static_cast<std::uint32_t>(data[1]) << 16 |
                                        static_cast<std::uint32_t>(data[2]) << 8 | data[3]);
    value = kTables[7][head >> 24] ^ kTables[6][head >> 16 & 0xff] ^ kTables[5][head >> 8 & 0xff] ^
            kTables[4][head & 0xff] ^ kTables[3][data[4]] ^ kTables[2][data[5]] ^
            kTables[1][data[6]] ^ kTables[0][data[7]];
    data = data.subspan(8);
  }
  for (const std::uint8_t byte : data) value = value << 8 ^ kTables[0][value >> 24 ^ byte];
  value_ = value;
}

}  // namespace twinbeat
