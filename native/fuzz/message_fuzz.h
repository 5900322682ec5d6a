// What every accepted message must satisfy, whatever bytes it came from.
#pragma once

#include <array>
#include <memory>

#include "core/base/assert.h"
#include "core/wire/hb_text.h"

namespace twinbeat {

inline bool same_value(Bytes a, Bytes b) noexcept { return as_text(a) == as_text(b); }

struct FuzzState {
  FuzzState() noexcept {
    const Status set = keyring.set(1, AuthMethod::kCrc, {});
    TB_ASSERT(set == Status::kOk, "crc needs no key");
    const Status signing = keyring.set_signing(1);
    TB_ASSERT(signing == Status::kOk, "line 1 was set");
  }

  Keyring keyring;
  MessageBuffer<> first;
  MessageBuffer<> again;
  MessageBuffer<> copy;
  std::array<std::uint8_t, 2 * kMaxMessageBytes> output;
};

// Encodes what was parsed and parses it again: the same fields must come back.
inline void check_round_trip(FuzzState& state, Encoding encoding) noexcept {
  Message& copy = state.copy.message();
  copy.clear();
  for (const Field& field : state.first.message().fields()) {
    if (field.name == "auth") continue;
    const Status status = copy.add(field.name, field.type, field.value);
    TB_ASSERT(status == Status::kOk, "what was parsed can be built");
  }
  const Encoded encoded =
      encoding == Encoding::kClassic
          ? encode_classic(copy, state.keyring, state.output)
          : encode_netstring(copy, state.keyring, InnerAuth::kOmit, state.output);
  if (encoded.status != Status::kOk) return;  // e.g. base64 makes it longer than a datagram
  const Parsed parsed = parse_message(encoded.bytes, state.again.message());
  TB_ASSERT(parsed.ok() && parsed.encoding == encoding, "our own encoding can be read");
  TB_ASSERT(state.keyring.verify(parsed.auth_index, parsed.signed_parts, parsed.digest,
                                 KeyRule::kNamedLineOnly) == AuthVerdict::kOk,
            "our own signature fits");
  std::size_t index = 0;
  for (const Field& field : state.again.message().fields()) {
    if (field.name == "auth") continue;
    TB_ASSERT(index < copy.fields().size(), "no field more");
    const Field& sent = copy.fields()[index++];
    TB_ASSERT(field.name == sent.name && field.type == sent.type, "the same field");
    TB_ASSERT(same_value(field.value, sent.value), "the same value");
  }
  TB_ASSERT(index == copy.fields().size(), "no field less");
}

inline void check_parsed(const Parsed& parsed, const Message& message) noexcept {
  TB_ASSERT(message.fields().size() <= kMaxFields, "bounded number of fields");
  for (const Field& field : message.fields()) {
    TB_ASSERT(is_field_name(field.name), "names are clean");
    TB_ASSERT(field.value.size() <= kMaxMessageBytes, "bounded values");
  }
  TB_ASSERT(parsed.ok() == reason_code(parsed.reason).empty(), "every refusal has a code");
  TB_ASSERT(parsed.ok() == (parsed.detail[0] == '\0'), "every refusal has a text");
  TB_ASSERT(!parsed.ok() || parsed.has_auth, "nothing unsigned is accepted");
}

}  // namespace twinbeat
