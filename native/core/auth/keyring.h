// The keys of `authkeys`: 16 numbered lines, one of which (`auth N`) signs what we send.
// Keys are kept only as the hash states that HMAC starts from, and are wiped on replacement.
// Owner: one thread (configure and use may differ only if the object is handed over whole).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/auth/hmac.h"
#include "core/auth/md5.h"
#include "core/auth/sha1.h"
#include "core/auth/sha256.h"
#include "core/base/bytes.h"
#include "core/base/status.h"

namespace twinbeat {

// The number travels as one or two decimal digits; real nodes accept 0..15.
inline constexpr std::size_t kKeySlots = 16;
// Longest line that a real node reads from its files; a longer key is a mistake in the file.
inline constexpr std::size_t kMaxKeyBytes = 4096;
// The longest digest text is that of sha256.
inline constexpr std::size_t kMaxDigestChars = 64;

enum class AuthMethod : std::uint8_t { kNone, kCrc, kMd5, kSha1, kSha256 };

[[nodiscard]] std::string_view auth_method_name(AuthMethod method) noexcept;
[[nodiscard]] std::optional<AuthMethod> auth_method_by_name(std::string_view name) noexcept;

// A digest as it is written: `crc` as %x, the others as lower-case hex of full length.
struct DigestText {
  std::array<char, kMaxDigestChars> chars{};
  std::size_t size = 0;
  [[nodiscard]] std::string_view view() const noexcept { return {chars.data(), size}; }
};

enum class AuthVerdict : std::uint8_t {
  kOk,
  // Right only with the key of our own `auth` line: a real node signs any number it names with
  // its own current key and checks the same way, so after a key rotation this is what it sends.
  kOkByCurrentKey,
  kUnknownNumber,
  kMismatch,
  // `auth` names a keyed method, so a checksum proves nothing, even if a crc line exists.
  kCrcRefused,
};

enum class KeyRule : std::uint8_t { kNamedLineOnly, kNamedLineOrCurrentKey };

class Keyring {
 public:
  Keyring() noexcept = default;
  ~Keyring() noexcept { wipe(); }
  Keyring(const Keyring&) noexcept = default;
  Keyring& operator=(const Keyring&) noexcept = default;

  // kCrc takes an empty key, the others a key of 1..kMaxKeyBytes bytes. Replaces the slot.
  Status set(std::size_t index, AuthMethod method, Bytes key) noexcept;
  // The line named by `auth`; it must have been set.
  Status set_signing(std::size_t index) noexcept;
  void wipe() noexcept;

  [[nodiscard]] bool can_sign() const noexcept { return signing_ < kKeySlots; }
  [[nodiscard]] std::size_t signing_index() const noexcept { return signing_; }
  [[nodiscard]] AuthMethod method(std::size_t index) const noexcept;

  // Digest of the concatenated parts by the signing line. can_sign() must hold.
  [[nodiscard]] DigestText sign(std::span<const Bytes> parts) const noexcept;
  // Constant time in the digest. Netstring messages are checked with kNamedLineOrCurrentKey.
  [[nodiscard]] AuthVerdict verify(std::uint32_t index, std::span<const Bytes> parts,
                                   std::string_view digest, KeyRule rule) const noexcept;

 private:
  // Every method's start state of one key, because of kOkByCurrentKey.
  struct Slot {
    AuthMethod method = AuthMethod::kNone;
    HmacKey<Md5> md5;
    HmacKey<Sha1> sha1;
    HmacKey<Sha256> sha256;
  };

  static DigestText digest(AuthMethod method, const Slot& key,
                           std::span<const Bytes> parts) noexcept;

  std::array<Slot, kKeySlots> slots_{};
  std::size_t signing_ = kKeySlots;
};

}  // namespace twinbeat
