#include "core/wire/envelope.h"

namespace twinbeat {

namespace {

Opened& refuse(Opened& opened, Reason reason, const char* detail) noexcept {
  opened.reason = reason;
  opened.detail = detail;
  return opened;
}

void check_signature(const Parsed& parsed, const Keyring& keyring, Opened& opened) noexcept {
  const KeyRule rule = parsed.encoding == Encoding::kNetstring ? KeyRule::kNamedLineOrCurrentKey
                                                               : KeyRule::kNamedLineOnly;
  opened.verdict = keyring.verify(parsed.auth_index, parsed.signed_parts, parsed.digest, rule);
  switch (opened.verdict) {
    case AuthVerdict::kOk:
    case AuthVerdict::kOkByCurrentKey: return;
    case AuthVerdict::kUnknownNumber:
      refuse(opened, Reason::kUnknownAuthNumber, "the message names a key that is not configured");
      return;
    case AuthVerdict::kCrcRefused:
      refuse(opened, Reason::kCrcRefused, "a checksum is refused beside a keyed method");
      return;
    case AuthVerdict::kMismatch:
      refuse(opened, Reason::kAuthMismatch, "the signature does not fit the message");
      return;
  }
}

void check_sequence_fields(const Message& message, Opened& opened) noexcept {
  if (message.find("seq") == nullptr) {
    refuse(opened, Reason::kNoSeq, "this type of message needs a sequence number");
    return;
  }
  const std::optional<std::uint64_t> seq = message.hex("seq");
  const std::optional<std::uint64_t> generation = message.hex("hg");
  if (!seq || *seq == 0) {
    refuse(opened, Reason::kMalformed, "seq is not a positive hexadecimal number");
  } else if (!generation) {
    refuse(opened, Reason::kMalformed, "hg is not a hexadecimal number");
  } else {
    opened.seq = *seq;
    opened.generation = *generation;
  }
}

}  // namespace

Opened open_message(Bytes input, const Keyring& keyring, Message& message) noexcept {
  const Parsed parsed = parse_message(input, message);
  Opened opened;
  opened.encoding = parsed.encoding;
  opened.has_auth = parsed.has_auth;
  opened.auth_index = parsed.auth_index;
  if (!parsed.ok()) return refuse(opened, parsed.reason, parsed.detail);
  check_signature(parsed, keyring, opened);
  if (!opened.ok()) return opened;

  const std::string_view type = message.text("t").value_or("");
  if (type.empty()) return refuse(opened, Reason::kMalformed, "field t is missing");
  if (message.text("src").value_or("").empty()) {
    return refuse(opened, Reason::kMalformed, "field src is missing");
  }
  if (message.hex("ts").value_or(0) == 0) {
    return refuse(opened, Reason::kMalformed, "ts is missing or zero");
  }
  opened.sequenced = !type.starts_with("NS_");
  if (opened.sequenced) {
    check_sequence_fields(message, opened);
  } else {
    opened.generation = message.hex("hg").value_or(0);
  }
  return opened;
}

}  // namespace twinbeat
