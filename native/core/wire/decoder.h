// What `twinbeat decode` asks: is this message valid, alone or after those before it. The engine
// has its own peer table; this one knows no nodes and judges whatever names it meets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/auth/keyring.h"
#include "core/base/fixed_vector.h"
#include "core/peer/sequence.h"
#include "core/wire/envelope.h"
#include "core/wire/message.h"

namespace twinbeat {

// Enough for the captures of several clusters at once; beyond it the sender that came first is
// forgotten.
inline constexpr std::size_t kMaxSenders = 64;
inline constexpr std::size_t kUuidBytes = 16;
// Longest node name that can come from uname().
inline constexpr std::size_t kMaxNodeNameBytes = 64;

class Decoder {
 public:
  [[nodiscard]] Keyring& keyring() noexcept { return keyring_; }
  [[nodiscard]] const Keyring& keyring() const noexcept { return keyring_; }

  // Each message by itself. Views in message() stay valid as long as `input` and until the next call.
  [[nodiscard]] Opened decode(Bytes input) noexcept;
  // Also by generation and sequence of the messages of the same sender before it.
  [[nodiscard]] Opened decode_in_order(Bytes input) noexcept;

  [[nodiscard]] const Message& message() const noexcept { return buffer_.message(); }

 private:
  struct Sender {
    std::array<std::uint8_t, kUuidBytes> uuid{};
    bool has_uuid = false;
    std::array<char, kMaxNodeNameBytes> name{};
    std::size_t name_size = 0;
    SequenceTracker tracker;
  };

  // The sender of message(), a new one if it was not met before.
  Sender& find_sender() noexcept;
  static bool is_sender(const Sender& sender, Bytes uuid, std::string_view name) noexcept;

  Keyring keyring_;
  MessageBuffer<> buffer_;
  FixedVector<Sender, kMaxSenders> senders_;
  std::size_t next_replaced_ = 0;
};

}  // namespace twinbeat
