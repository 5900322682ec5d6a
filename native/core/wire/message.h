// A message: an ordered list of named, typed fields. It never allocates. Field names and values
// are views, either into the caller's input (after parsing) or into the arena that the message
// was given (after add()), so a message lives no longer than both of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/fixed_vector.h"
#include "core/base/status.h"

namespace twinbeat {

// A real node sends up to 15 fields; four times that leaves room and bounds every lookup.
inline constexpr std::size_t kMaxFields = 64;
// The longest name in use has 22 characters (`_compression_algorithm`).
inline constexpr std::size_t kMaxNameBytes = 64;
// The most a UDP datagram carries over IPv4 (65535 less the IP and UDP headers). The original's
// own limit of 256 KiB can only be reached on paper.
inline constexpr std::size_t kMaxMessageBytes = 65507;

enum class FieldType : std::uint8_t {
  kText = 0,
  kBinary = 1,
  kNested = 2,  // kept as bytes, never looked into
  kList = 3,    // kept as bytes, never looked into
};

struct Field {
  std::string_view name;
  FieldType type = FieldType::kText;
  Bytes value;

  [[nodiscard]] std::string_view text() const noexcept { return as_text(value); }
};

class Message {
 public:
  explicit Message(std::span<std::uint8_t> arena) noexcept : arena_(arena) {}
  Message(const Message&) = delete;  // its views point into one arena
  Message& operator=(const Message&) = delete;

  void clear() noexcept;

  // Copies name and value into the arena. kTooLong for a bad length, kInvalid for a name or text
  // that could not travel in both encodings, kFull when fields or arena are used up.
  Status add(std::string_view name, FieldType type, Bytes value) noexcept;
  Status add_text(std::string_view name, std::string_view value) noexcept;
  Status add_hex(std::string_view name, std::uint64_t value) noexcept;
  Status add_decimal(std::string_view name, std::uint64_t value) noexcept;

  // Refers to memory of the caller, which must outlive the message. Same checks.
  Status add_view(std::string_view name, FieldType type, Bytes value) noexcept;
  // Unused arena, for a parser that must transform a value before add_view; take() keeps it.
  [[nodiscard]] std::span<std::uint8_t> scratch() noexcept { return arena_.subspan(used_); }
  Bytes take(std::size_t count) noexcept;

  [[nodiscard]] std::span<const Field> fields() const noexcept { return fields_.span(); }
  // The first field of that name, or nullptr.
  [[nodiscard]] const Field* find(std::string_view name) const noexcept;
  // Text of the first field of that name if it is of type text.
  [[nodiscard]] std::optional<std::string_view> text(std::string_view name) const noexcept;
  // Numbers: one to 16 hex digits, or one to 18 decimal digits; anything else is no number.
  [[nodiscard]] std::optional<std::uint64_t> hex(std::string_view name) const noexcept;
  [[nodiscard]] std::optional<std::uint64_t> decimal(std::string_view name) const noexcept;

 private:
  FixedVector<Field, kMaxFields> fields_;
  std::span<std::uint8_t> arena_;
  std::size_t used_ = 0;
};

// A message together with its arena. The default holds whatever a datagram can hold; a message
// of our own needs far less.
template <std::size_t ArenaBytes = kMaxMessageBytes>
class MessageBuffer {
 public:
  [[nodiscard]] Message& message() noexcept { return message_; }
  [[nodiscard]] const Message& message() const noexcept { return message_; }

 private:
  std::array<std::uint8_t, ArenaBytes> arena_;
  Message message_{arena_};
};

[[nodiscard]] std::optional<std::uint64_t> parse_hex(std::string_view text) noexcept;
[[nodiscard]] std::optional<std::uint64_t> parse_decimal(std::string_view text) noexcept;
// Names: 1..kMaxNameBytes printable ASCII characters other than space, '=', and not beginning
// with '(' (which would read as a type in the classic encoding).
[[nodiscard]] bool is_field_name(std::string_view name) noexcept;

}  // namespace twinbeat
