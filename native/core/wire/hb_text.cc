#include "core/wire/hb_text.h"

#include "core/wire/base64.h"

namespace twinbeat {

namespace {

constexpr std::string_view kNetstringStart = "###\n";
constexpr std::string_view kNetstringEnd = "%%%\n";
constexpr std::string_view kClassicStart = ">>>\n";
constexpr std::string_view kClassicEnd = "<<<";
constexpr std::string_view kAuthField = "auth";
// Five digits count every byte of a datagram; one more is tolerated as leading zero.
constexpr std::size_t kLengthDigitsMax = 6;
// In the classic encoding a line feed inside a text value travels as this byte.
constexpr std::uint8_t kEscapedLineFeed = 0x13;

Parsed& fail(Parsed& parsed, Reason reason, const char* detail) noexcept {
  parsed.reason = reason;
  parsed.detail = detail;
  return parsed;
}

bool is_start_of(std::string_view text, std::string_view whole) noexcept {
  return text.size() < whole.size() && whole.starts_with(text);
}

// "N digest" of either encoding.
bool read_auth(std::string_view text, Parsed& parsed) noexcept {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos || space > 9) return false;
  const std::optional<std::uint64_t> index = parse_decimal(text.substr(0, space));
  if (!index) return false;
  parsed.has_auth = true;
  parsed.auth_index = static_cast<std::uint32_t>(*index);
  parsed.digest = text.substr(space + 1);
  return true;
}

const char* add_problem(Status status) noexcept {
  switch (status) {
    case Status::kFull: return "more fields than a message may have";
    case Status::kTooLong: return "field name too long or empty";
    default: return "field name or text with a character that it may not have";
  }
}

// "(t)name=value"; the value is the rest.
const char* read_netstring_field(Bytes body, Message& message) noexcept {
  ByteReader reader(body);
  reader.expect("(");
  const Bytes type = reader.bytes(1);
  reader.expect(")");
  const Bytes name = reader.until('=');
  if (!reader.ok()) return "field is not (type)name=value";
  if (type[0] < '0' || type[0] > '3') return "field type is not 0 to 3";
  const Status status = message.add_view(
      as_text(name), static_cast<FieldType>(type[0] - '0'), reader.rest());
  return status == Status::kOk ? nullptr : add_problem(status);
}

void read_netstring_auth(ByteReader& reader, Parsed& parsed) noexcept {
  const int next = reader.peek();
  if (next < '0' || next > '9') {
    fail(parsed, Reason::kNoAuth, "nothing signed behind the end marker");
    return;
  }
  const std::uint32_t length = reader.decimal(kLengthDigitsMax, ':');
  const Bytes body = reader.bytes(length);
  reader.expect(",");
  if (reader.ran_out()) {
    fail(parsed, Reason::kUnterminated, "the signature is cut short");
  } else if (!reader.ok() || !read_auth(as_text(body), parsed)) {
    fail(parsed, Reason::kMalformed, "the signature is not a netstring of number and digest");
  }
}

// A classic value into the form that fields have in memory; views the input where it can.
Status add_classic_field(std::string_view name, FieldType type, Bytes value,
                         Message& message) noexcept {
  if (type == FieldType::kBinary) {
    const std::optional<std::size_t> size = read_base64(value, message.scratch());
    if (!size) return Status::kInvalid;
    return message.add_view(name, type, message.take(*size));
  }
  if (as_text(value).find(static_cast<char>(kEscapedLineFeed)) == std::string_view::npos ||
      type != FieldType::kText) {
    return message.add_view(name, type, value);
  }
  ByteWriter writer(message.scratch());
  for (const std::uint8_t byte : value) {
    writer.byte(byte == kEscapedLineFeed ? static_cast<std::uint8_t>('\n') : byte);
  }
  if (!writer.ok()) return Status::kFull;
  return message.add_view(name, type, message.take(writer.size()));
}

// One line without its LF. Sets `is_auth` for the line that carries the signature.
const char* read_classic_line(Bytes line, Message& message, Parsed& parsed,
                              bool& is_auth) noexcept {
  ByteReader reader(line);
  FieldType type = FieldType::kText;
  if (reader.peek() == '(') {
    reader.expect("(");
    const Bytes digit = reader.bytes(1);
    reader.expect(")");
    if (!reader.ok() || digit[0] < '0' || digit[0] > '3') return "field type is not 0 to 3";
    type = static_cast<FieldType>(digit[0] - '0');
  }
  const Bytes name = reader.until('=');
  if (!reader.ok()) return "line is not name=value";
  const Status status = add_classic_field(as_text(name), type, reader.rest(), message);
  if (status == Status::kInvalid && type == FieldType::kBinary) return "binary field is not base64";
  if (status != Status::kOk) return add_problem(status);
  is_auth = as_text(name) == kAuthField;
  if (!is_auth) return nullptr;
  if (parsed.has_auth) return "two signatures";
  if (type != FieldType::kText || !read_auth(as_text(reader.rest()), parsed)) {
    return "the signature is not number and digest";
  }
  return nullptr;
}

}  // namespace

std::string_view reason_code(Reason reason) noexcept {
  switch (reason) {
    case Reason::kNone: return "";
    case Reason::kAuthMismatch: return "auth-mismatch";
    case Reason::kCrcRefused: return "auth-mismatch";
    case Reason::kTruncated: return "truncated";
    case Reason::kUnterminated: return "unterminated";
    case Reason::kNoAuth: return "no-auth";
    case Reason::kUnknownAuthNumber: return "unknown-auth-number";
    case Reason::kNoSeq: return "no-seq";
    case Reason::kReplay: return "replay";
    case Reason::kOldGeneration: return "old-generation";
    case Reason::kMalformed: return "malformed";
  }
  return "malformed";
}

Parsed parse_message(Bytes input, Message& message) noexcept {
  const std::string_view text = as_text(input);
  if (text.starts_with(kNetstringStart)) return parse_netstring(input, message);
  if (text.starts_with(kClassicStart)) return parse_classic(input, message);
  message.clear();
  Parsed parsed;
  if (is_start_of(text, kNetstringStart) || is_start_of(text, kClassicStart)) {
    return fail(parsed, Reason::kTruncated, "it ends inside the start marker");
  }
  return fail(parsed, Reason::kMalformed, "it begins with neither start marker");
}

Parsed parse_netstring(Bytes input, Message& message) noexcept {
  message.clear();
  Parsed parsed;
  parsed.encoding = Encoding::kNetstring;
  if (input.size() > kMaxMessageBytes) {
    return fail(parsed, Reason::kMalformed, "longer than a datagram can be");
  }
  ByteReader reader(input);
  reader.expect(kNetstringStart);
  while (reader.ok() && reader.peek() != '%') {
    const std::uint32_t length = reader.decimal(kLengthDigitsMax, ':');
    const Bytes body = reader.bytes(length);
    reader.expect(",");
    if (!reader.ok()) break;
    if (const char* problem = read_netstring_field(body, message)) {
      return fail(parsed, Reason::kMalformed, problem);
    }
  }
  reader.expect(kNetstringEnd);
  if (reader.ran_out()) {
    return fail(parsed, Reason::kTruncated, "it ends before the end marker");
  }
  if (!reader.ok()) return fail(parsed, Reason::kMalformed, "fields are not netstrings");
  parsed.signed_parts[0] = input.first(reader.position());
  read_netstring_auth(reader, parsed);
  return parsed;
}

Parsed parse_classic(Bytes input, Message& message) noexcept {
  message.clear();
  Parsed parsed;
  parsed.encoding = Encoding::kClassic;
  if (input.size() > kMaxMessageBytes) {
    return fail(parsed, Reason::kMalformed, "longer than a datagram can be");
  }
  ByteReader reader(input);
  if (!reader.expect(kClassicStart)) {
    return fail(parsed, Reason::kMalformed, "it does not begin with the start marker");
  }
  const std::size_t body_start = reader.position();
  std::size_t auth_start = body_start;
  std::size_t auth_end = body_start;
  for (;;) {
    const std::size_t line_start = reader.position();
    const std::string_view left = as_text(reader.rest());
    const Bytes line = reader.until('\n');
    if (!reader.ok()) {
      return left.empty() || left == kClassicEnd || is_start_of(left, kClassicEnd)
                 ? fail(parsed, Reason::kUnterminated, "the end marker is missing")
                 : fail(parsed, Reason::kTruncated, "it ends inside a line");
    }
    if (as_text(line) == kClassicEnd) {
      parsed.signed_parts = {input.subspan(body_start, auth_start - body_start),
                             input.subspan(auth_end, line_start - auth_end)};
      break;
    }
    bool is_auth = false;
    if (const char* problem = read_classic_line(line, message, parsed, is_auth)) {
      return fail(parsed, Reason::kMalformed, problem);
    }
    if (is_auth) {
      auth_start = line_start;
      auth_end = reader.position();
    }
  }
  // Bytes behind the end marker (real nodes send a NUL) are not looked at, as in netstrings.
  if (!parsed.has_auth) return fail(parsed, Reason::kNoAuth, "no field auth");
  return parsed;
}

}  // namespace twinbeat
