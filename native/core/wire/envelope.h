// The one door for a received message: parse, check the signature, check what every message must
// have. Whoever wants to act on a message gets it from here.
#pragma once

#include "core/auth/keyring.h"
#include "core/wire/hb_text.h"
#include "core/wire/message.h"

namespace twinbeat {

struct Opened {
  Reason reason = Reason::kNone;
  const char* detail = "";
  Encoding encoding = Encoding::kUnknown;
  bool has_auth = false;      // auth_index is known
  std::uint32_t auth_index = 0;
  AuthVerdict verdict = AuthVerdict::kMismatch;
  bool sequenced = false;     // `t` has no NS_ prefix; seq and generation are set
  std::uint64_t seq = 0;
  std::uint64_t generation = 0;  // `hg`; 0 for NS_ messages without it

  [[nodiscard]] bool ok() const noexcept { return reason == Reason::kNone; }
};

// `message` is filled with what could be read also when the answer is no; only an ok() message
// may be acted on. Views point into `input` and the message's arena.
[[nodiscard]] Opened open_message(Bytes input, const Keyring& keyring, Message& message) noexcept;

}  // namespace twinbeat
