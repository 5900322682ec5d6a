// Reading and writing of bytes that came from outside. Both ends check every length and fail
// sticky: after the first failure each further call does nothing, so a caller may look once at
// the end. Neither allocates; the memory belongs to the caller.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace twinbeat {

using Bytes = std::span<const std::uint8_t>;

[[nodiscard]] inline Bytes as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// The same bytes seen as characters; no interpretation, any byte value may occur.
[[nodiscard]] inline std::string_view as_text(Bytes bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class ByteReader {
 public:
  explicit ByteReader(Bytes input) noexcept : input_(input) {}

  [[nodiscard]] bool ok() const noexcept { return !failed_; }
  // The failure was that the input ended; false if what is there is wrong.
  [[nodiscard]] bool ran_out() const noexcept { return ran_out_; }
  [[nodiscard]] std::size_t position() const noexcept { return position_; }
  [[nodiscard]] std::size_t remaining() const noexcept { return input_.size() - position_; }
  [[nodiscard]] Bytes rest() const noexcept { return input_.subspan(position_); }

  // The next byte without taking it, or -1 at the end.
  [[nodiscard]] int peek() const noexcept {
    return failed_ || remaining() == 0 ? -1 : static_cast<int>(input_[position_]);
  }

  Bytes bytes(std::size_t count) noexcept {
    if (failed_) return {};
    if (count > remaining()) return fail_at_end();
    const Bytes taken = input_.subspan(position_, count);
    position_ += count;
    return taken;
  }

  // Takes exactly these characters.
  bool expect(std::string_view wanted) noexcept {
    if (failed_) return false;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (i >= remaining()) {
        fail_at_end();
        return false;
      }
      if (input_[position_ + i] != static_cast<std::uint8_t>(wanted[i])) {
        failed_ = true;
        return false;
      }
    }
    position_ += wanted.size();
    return true;
  }

  // Everything before `delimiter`, which is taken too.
  Bytes until(std::uint8_t delimiter) noexcept {
    if (failed_) return {};
    const Bytes left = rest();
    const void* found = left.empty() ? nullptr : std::memchr(left.data(), delimiter, left.size());
    if (found == nullptr) return fail_at_end();
    const auto length =
        static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - left.data());
    position_ += length + 1;
    return left.first(length);
  }

  // One to `digits_max` decimal digits and the `delimiter` behind them.
  std::uint32_t decimal(std::size_t digits_max, std::uint8_t delimiter) noexcept {
    std::uint32_t value = 0;
    for (std::size_t digits = 0; !failed_; ++digits) {
      if (remaining() == 0) {
        fail_at_end();
        break;
      }
      const std::uint8_t byte = input_[position_];
      if (byte == delimiter && digits > 0) {
        ++position_;
        return value;
      }
      if (byte < '0' || byte > '9' || digits == digits_max) {
        failed_ = true;
        break;
      }
      value = value * 10 + (byte - static_cast<std::uint32_t>('0'));
      ++position_;
    }
    return 0;
  }

 private:
  Bytes fail_at_end() noexcept {
    failed_ = true;
    ran_out_ = true;
    return {};
  }

  Bytes input_;
  std::size_t position_ = 0;
  bool failed_ = false;
  bool ran_out_ = false;
};

class ByteWriter {
 public:
  explicit ByteWriter(std::span<std::uint8_t> output) noexcept : output_(output) {}

  [[nodiscard]] bool ok() const noexcept { return !failed_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] Bytes written() const noexcept { return output_.first(size_); }

  void bytes(Bytes data) noexcept {
    std::uint8_t* place = claim(data.size());
    if (place != nullptr && !data.empty()) std::memcpy(place, data.data(), data.size());
  }

  void text(std::string_view data) noexcept { bytes(as_bytes(data)); }

  void byte(std::uint8_t value) noexcept {
    std::uint8_t* place = claim(1);
    if (place != nullptr) *place = value;
  }

  void decimal(std::uint64_t value) noexcept {
    char digits[20];
    std::size_t at = sizeof(digits);
    do {
      digits[--at] = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value != 0);
    text({digits + at, sizeof(digits) - at});
  }

  // Lower case, no leading zeros, no 0x: how Linux-HA prints numbers.
  void hex(std::uint64_t value) noexcept {
    char digits[16];
    std::size_t at = sizeof(digits);
    do {
      digits[--at] = "0123456789abcdef"[value & 15];
      value >>= 4;
    } while (value != 0);
    text({digits + at, sizeof(digits) - at});
  }

  // Room for `count` bytes that the caller fills in, or nullptr (and sticky failure).
  [[nodiscard]] std::uint8_t* claim(std::size_t count) noexcept {
    if (failed_ || count > output_.size() - size_) {
      failed_ = true;
      return nullptr;
    }
    std::uint8_t* place = output_.data() + size_;
    size_ += count;
    return place;
  }

 private:
  std::span<std::uint8_t> output_;
  std::size_t size_ = 0;
  bool failed_ = false;
};

}  // namespace twinbeat
