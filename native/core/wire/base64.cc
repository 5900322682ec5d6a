#include "core/wire/base64.h"

#include <array>

namespace twinbeat {

namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNoDigit = 0xff;

constexpr std::array<std::uint8_t, 256> make_digits() noexcept {
  std::array<std::uint8_t, 256> digits{};
  for (std::uint8_t& digit : digits) digit = kNoDigit;
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    digits[static_cast<std::uint8_t>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return digits;
}

constexpr std::array<std::uint8_t, 256> kDigits = make_digits();

}  // namespace

void write_base64(ByteWriter& writer, Bytes data) noexcept {
  while (!data.empty()) {
    const std::size_t count = data.size() < 3 ? data.size() : 3;
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) group = group << 8 | (i < count ? data[i] : 0u);
    for (std::size_t i = 0; i < 4; ++i) {
      const char digit = kAlphabet[group >> (18 - 6 * i) & 63];
      writer.byte(static_cast<std::uint8_t>(i <= count ? digit : '='));
    }
    data = data.subspan(count);
  }
}

std::optional<std::size_t> read_base64(Bytes text, std::span<std::uint8_t> output) noexcept {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t size = 0;
  for (std::size_t at = 0; at < text.size(); at += 4) {
    std::size_t digits = 4;
    if (at + 4 == text.size() && text[at + 3] == '=') digits = text[at + 2] == '=' ? 2 : 3;
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const std::uint8_t digit = i < digits ? kDigits[text[at + i]] : std::uint8_t{0};
      if (digit == kNoDigit) return std::nullopt;
      group = group << 6 | digit;
    }
    const std::size_t bytes = digits - 1;
    // Bits that no byte takes must be zero.
    if ((group & ((1u << (8 * (3 - bytes))) - 1)) != 0) return std::nullopt;
    if (output.size() - size < bytes) return std::nullopt;
    for (std::size_t i = 0; i < bytes; ++i) {
      output[size++] = static_cast<std::uint8_t>(group >> (16 - 8 * i));
    }
  }
  return size;
}

}  // namespace twinbeat
