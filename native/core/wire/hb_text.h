// The two text encodings of Linux-HA. Netstring ("###") travels in datagrams and ICMP data,
// classic (">>>") on serial lines; both are accepted in datagrams, told apart by their first
// four bytes. Nothing here allocates, nothing reads beyond the input, nothing trusts it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/auth/keyring.h"
#include "core/base/bytes.h"
#include "core/base/status.h"
#include "core/wire/message.h"

namespace twinbeat {

enum class Encoding : std::uint8_t { kUnknown, kNetstring, kClassic };

// Why a message is refused. Several reasons may share one code() for the reader.
enum class Reason : std::uint8_t {
  kNone,
  kAuthMismatch,
  kCrcRefused,  // code auth-mismatch, counted apart
  kTruncated,
  kUnterminated,
  kNoAuth,
  kUnknownAuthNumber,
  kNoSeq,
  kReplay,
  kOldGeneration,
  kMalformed,
};

// `auth-mismatch`, `truncated`, ...; empty for kNone.
[[nodiscard]] std::string_view reason_code(Reason reason) noexcept;

struct Parsed {
  Reason reason = Reason::kNone;
  // A constant sentence part that says what was wrong, without values of the message.
  const char* detail = "";
  Encoding encoding = Encoding::kUnknown;
  // The signature covers these pieces of the input, one after the other (a classic message has
  // its `auth` line cut out). Valid only if reason is kNone.
  std::array<Bytes, 2> signed_parts{};
  bool has_auth = false;  // auth_index and digest were read
  std::uint32_t auth_index = 0;
  std::string_view digest;

  [[nodiscard]] bool ok() const noexcept { return reason == Reason::kNone; }
};

// Each fills `message` (cleared first) with what could be read, also when it fails; views point
// into `input` and into the arena of `message`. The signature is read, not checked.
[[nodiscard]] Parsed parse_message(Bytes input, Message& message) noexcept;  // by first bytes
[[nodiscard]] Parsed parse_netstring(Bytes input, Message& message) noexcept;
[[nodiscard]] Parsed parse_classic(Bytes input, Message& message) noexcept;

// Real nodes send a second, unchecked `auth` field inside netstring messages (so do we, for the
// serial writers behind them), unless configured with `msgfmt netstring`.
enum class InnerAuth : std::uint8_t { kAdd, kOmit };

struct Encoded {
  Status status = Status::kOk;
  Bytes bytes;  // front part of `output`
};

// Signs with the keyring's signing line. The message must not have a field `auth`.
// kInvalid: no signing line, a field `auth`, or (classic, and the inner signature is one) a value
// that the classic encoding cannot tell: text with byte 0x13, a nested message with line feeds.
[[nodiscard]] Encoded encode_netstring(const Message& message, const Keyring& keyring,
                                       InnerAuth inner, std::span<std::uint8_t> output) noexcept;
[[nodiscard]] Encoded encode_classic(const Message& message, const Keyring& keyring,
                                     std::span<std::uint8_t> output) noexcept;

}  // namespace twinbeat
