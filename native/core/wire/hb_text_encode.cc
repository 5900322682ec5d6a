// Writing half of hb_text.h.
#include "core/base/assert.h"
#include "core/wire/base64.h"
#include "core/wire/hb_text.h"

namespace twinbeat {

namespace {

constexpr std::string_view kAuthField = "auth";
constexpr std::uint8_t kEscapedLineFeed = 0x13;
// "(0)auth=15 " and the digest.
constexpr std::size_t kAuthBytesMax = 16 + kMaxDigestChars;

using AuthText = std::array<std::uint8_t, kAuthBytesMax>;

// "N digest" over `parts`, written into `place`.
Bytes make_auth(const Keyring& keyring, std::span<const Bytes> parts, AuthText& place) noexcept {
  ByteWriter writer(place);
  writer.decimal(keyring.signing_index());
  writer.byte(' ');
  writer.text(keyring.sign(parts).view());
  TB_ASSERT(writer.ok(), "auth text longer than its place");
  return writer.written();
}

void write_netstring_field(ByteWriter& writer, const Field& field) noexcept {
  constexpr std::size_t kAround = 4;  // "(t)" and "="
  writer.decimal(kAround + field.name.size() + field.value.size());
  writer.text(":(");
  writer.byte(static_cast<std::uint8_t>('0' + static_cast<unsigned>(field.type)));
  writer.text(")");
  writer.text(field.name);
  writer.text("=");
  writer.bytes(field.value);
  writer.text(",");
}

// False if the value cannot be told in this encoding.
bool write_classic_field(ByteWriter& writer, const Field& field) noexcept {
  if (field.type != FieldType::kText) {
    writer.byte('(');
    writer.byte(static_cast<std::uint8_t>('0' + static_cast<unsigned>(field.type)));
    writer.byte(')');
  }
  writer.text(field.name);
  writer.byte('=');
  if (field.type == FieldType::kBinary) {
    write_base64(writer, field.value);
  } else if (field.type == FieldType::kText) {
    for (const std::uint8_t byte : field.value) {
      if (byte == kEscapedLineFeed) return false;  // would be read as a line feed
      writer.byte(byte == '\n' ? kEscapedLineFeed : byte);
    }
  } else {
    // Nested messages are never sent, so their own escaping is not written.
    if (field.text().find('\n') != std::string_view::npos) return false;
    writer.bytes(field.value);
  }
  writer.byte('\n');
  return true;
}

bool write_classic_fields(ByteWriter& writer, const Message& message) noexcept {
  for (const Field& field : message.fields()) {
    if (field.name == kAuthField || !write_classic_field(writer, field)) return false;
  }
  return true;
}

Encoded finish(const ByteWriter& writer) noexcept {
  if (!writer.ok()) return {Status::kFull, {}};
  if (writer.size() > kMaxMessageBytes) return {Status::kTooLong, {}};
  return {Status::kOk, writer.written()};
}

// The classic signature needs the classic form of the fields. It is built in the part of
// `output` that is still unused and overwritten afterwards.
Status make_inner_auth(const Message& message, const Keyring& keyring,
                       std::span<std::uint8_t> room, AuthText& place, Bytes& auth) noexcept {
  ByteWriter classic(room);
  if (!write_classic_fields(classic, message)) return Status::kInvalid;
  if (!classic.ok()) return Status::kFull;
  const Bytes parts[] = {classic.written()};
  auth = make_auth(keyring, parts, place);
  return Status::kOk;
}

}  // namespace

Encoded encode_netstring(const Message& message, const Keyring& keyring, InnerAuth inner,
                         std::span<std::uint8_t> output) noexcept {
  if (!keyring.can_sign() || message.find(kAuthField) != nullptr) return {Status::kInvalid, {}};
  AuthText place;
  Field inner_field{kAuthField, FieldType::kText, {}};
  if (inner == InnerAuth::kAdd) {
    const Status status = make_inner_auth(message, keyring, output, place, inner_field.value);
    if (status != Status::kOk) return {status, {}};
  }
  ByteWriter writer(output);
  writer.text("###\n");
  for (const Field& field : message.fields()) write_netstring_field(writer, field);
  if (inner == InnerAuth::kAdd) write_netstring_field(writer, inner_field);
  writer.text("%%%\n");
  if (!writer.ok()) return {Status::kFull, {}};
  const Bytes parts[] = {writer.written()};
  const Bytes auth = make_auth(keyring, parts, place);
  writer.decimal(auth.size());
  writer.byte(':');
  writer.bytes(auth);
  writer.byte(',');
  return finish(writer);
}

Encoded encode_classic(const Message& message, const Keyring& keyring,
                       std::span<std::uint8_t> output) noexcept {
  if (!keyring.can_sign() || message.find(kAuthField) != nullptr) return {Status::kInvalid, {}};
  ByteWriter writer(output);
  writer.text(">>>\n");
  const std::size_t body_start = writer.size();
  if (!write_classic_fields(writer, message)) return {Status::kInvalid, {}};
  if (!writer.ok()) return {Status::kFull, {}};
  AuthText place;
  const Bytes parts[] = {writer.written().subspan(body_start)};
  writer.text("auth=");
  writer.bytes(make_auth(keyring, parts, place));
  writer.text("\n<<<\n");
  return finish(writer);
}

}  // namespace twinbeat
