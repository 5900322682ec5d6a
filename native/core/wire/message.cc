#include "core/wire/message.h"

#include "core/base/assert.h"

namespace twinbeat {

namespace {

Status check(std::string_view name, FieldType type, Bytes value) noexcept {
  if (name.empty() || name.size() > kMaxNameBytes) return Status::kTooLong;
  if (value.size() > kMaxMessageBytes) return Status::kTooLong;
  if (!is_field_name(name)) return Status::kInvalid;
  // The original treats text as a C string: what follows a NUL would be signed but not seen.
  if (type == FieldType::kText && as_text(value).find('\0') != std::string_view::npos) {
    return Status::kInvalid;
  }
  return Status::kOk;
}

}  // namespace

bool is_field_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > kMaxNameBytes || name.front() == '(') return false;
  for (const char c : name) {
    if (c <= ' ' || c > '~' || c == '=') return false;
  }
  return true;
}

std::optional<std::uint64_t> parse_hex(std::string_view text) noexcept {
  if (text.empty() || text.size() > 16) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    unsigned digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<unsigned>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<unsigned>(c - 'a') + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<unsigned>(c - 'A') + 10;
    } else {
      return std::nullopt;
    }
    value = value << 4 | digit;
  }
  return value;
}

std::optional<std::uint64_t> parse_decimal(std::string_view text) noexcept {
  if (text.empty() || text.size() > 18) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

void Message::clear() noexcept {
  fields_.clear();
  used_ = 0;
}

Status Message::add(std::string_view name, FieldType type, Bytes value) noexcept {
  if (const Status status = check(name, type, value); status != Status::kOk) return status;
  if (fields_.full() || name.size() + value.size() > scratch().size()) return Status::kFull;
  ByteWriter writer(scratch());
  writer.text(name);
  writer.bytes(value);
  const Bytes kept = take(writer.size());
  return fields_.push_back({as_text(kept.first(name.size())), type, kept.subspan(name.size())});
}

Status Message::add_text(std::string_view name, std::string_view value) noexcept {
  return add(name, FieldType::kText, as_bytes(value));
}

Status Message::add_hex(std::string_view name, std::uint64_t value) noexcept {
  std::array<std::uint8_t, 20> digits;
  ByteWriter writer(digits);
  writer.hex(value);
  return add(name, FieldType::kText, writer.written());
}

Status Message::add_decimal(std::string_view name, std::uint64_t value) noexcept {
  std::array<std::uint8_t, 20> digits;
  ByteWriter writer(digits);
  writer.decimal(value);
  return add(name, FieldType::kText, writer.written());
}

Status Message::add_view(std::string_view name, FieldType type, Bytes value) noexcept {
  if (const Status status = check(name, type, value); status != Status::kOk) return status;
  return fields_.push_back({name, type, value});
}

Bytes Message::take(std::size_t count) noexcept {
  TB_ASSERT(count <= arena_.size() - used_, "more taken than the arena has");
  const Bytes taken = arena_.subspan(used_, count);
  used_ += count;
  return taken;
}

const Field* Message::find(std::string_view name) const noexcept {
  for (const Field& field : fields_) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

std::optional<std::string_view> Message::text(std::string_view name) const noexcept {
  const Field* field = find(name);
  if (field == nullptr || field->type != FieldType::kText) return std::nullopt;
  return field->text();
}

std::optional<std::uint64_t> Message::hex(std::string_view name) const noexcept {
  const std::optional<std::string_view> digits = text(name);
  return digits ? parse_hex(*digits) : std::nullopt;
}

std::optional<std::uint64_t> Message::decimal(std::string_view name) const noexcept {
  const std::optional<std::string_view> digits = text(name);
  return digits ? parse_decimal(*digits) : std::nullopt;
}

}  // namespace twinbeat
