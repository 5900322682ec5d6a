#include "core/auth/keyring.h"

#include "core/auth/crc32.h"
#include "core/base/assert.h"

namespace twinbeat {

namespace {

constexpr std::array<std::string_view, 5> kMethodNames = {"none", "crc", "md5", "sha1", "sha256"};

DigestText to_text(Bytes digest) noexcept {
  DigestText text;
  for (const std::uint8_t byte : digest) {
    text.chars[text.size++] = "0123456789abcdef"[byte >> 4];
    text.chars[text.size++] = "0123456789abcdef"[byte & 15];
  }
  return text;
}

DigestText crc_text(std::span<const Bytes> parts) noexcept {
  Crc32 crc;
  for (const Bytes part : parts) crc.update(part);
  std::array<std::uint8_t, 8> digits;
  ByteWriter writer(digits);
  writer.hex(crc.finish());
  DigestText text;
  for (const std::uint8_t digit : writer.written()) {
    text.chars[text.size++] = static_cast<char>(digit);
  }
  return text;
}

// The time taken depends on the length only, which is no secret.
bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned>(static_cast<unsigned char>(a[i]) ^
                                        static_cast<unsigned char>(b[i]));
  }
  return difference == 0;
}

}  // namespace

std::string_view auth_method_name(AuthMethod method) noexcept {
  return kMethodNames[static_cast<std::size_t>(method)];
}

std::optional<AuthMethod> auth_method_by_name(std::string_view name) noexcept {
  for (std::size_t i = 1; i < kMethodNames.size(); ++i) {
    if (kMethodNames[i] == name) return static_cast<AuthMethod>(i);
  }
  return std::nullopt;
}

Status Keyring::set(std::size_t index, AuthMethod method, Bytes key) noexcept {
  if (index >= kKeySlots || method == AuthMethod::kNone) return Status::kInvalid;
  if (key.empty() != (method == AuthMethod::kCrc)) return Status::kInvalid;
  if (key.size() > kMaxKeyBytes) return Status::kTooLong;
  Slot& slot = slots_[index];
  slot.method = method;
  slot.md5 = HmacKey<Md5>(key);
  slot.sha1 = HmacKey<Sha1>(key);
  slot.sha256 = HmacKey<Sha256>(key);
  return Status::kOk;
}

Status Keyring::set_signing(std::size_t index) noexcept {
  if (method(index) == AuthMethod::kNone) return Status::kNotFound;
  signing_ = index;
  return Status::kOk;
}

void Keyring::wipe() noexcept {
  wipe_memory(slots_.data(), sizeof(slots_));
  signing_ = kKeySlots;
}

AuthMethod Keyring::method(std::size_t index) const noexcept {
  return index < kKeySlots ? slots_[index].method : AuthMethod::kNone;
}

DigestText Keyring::digest(AuthMethod method, const Slot& key,
                           std::span<const Bytes> parts) noexcept {
  switch (method) {
    case AuthMethod::kCrc: return crc_text(parts);
    case AuthMethod::kMd5: return to_text(key.md5.mac(parts));
    case AuthMethod::kSha1: return to_text(key.sha1.mac(parts));
    case AuthMethod::kSha256: return to_text(key.sha256.mac(parts));
    case AuthMethod::kNone: break;
  }
  return {};
}

DigestText Keyring::sign(std::span<const Bytes> parts) const noexcept {
  TB_ASSERT(can_sign(), "signing without a signing key");
  const Slot& slot = slots_[signing_];
  return digest(slot.method, slot, parts);
}

AuthVerdict Keyring::verify(std::uint32_t index, std::span<const Bytes> parts,
                            std::string_view given, KeyRule rule) const noexcept {
  const AuthMethod named = method(index);
  if (named == AuthMethod::kNone) return AuthVerdict::kUnknownNumber;
  const AuthMethod current = method(signing_);
  const bool current_is_keyed = current != AuthMethod::kNone && current != AuthMethod::kCrc;
  if (named == AuthMethod::kCrc && current_is_keyed) return AuthVerdict::kCrcRefused;
  if (equal_in_constant_time(digest(named, slots_[index], parts).view(), given)) {
    return AuthVerdict::kOk;
  }
  // Never with a current line that has no key: an empty key would be known to everybody.
  if (rule == KeyRule::kNamedLineOrCurrentKey && current_is_keyed && index != signing_ &&
      equal_in_constant_time(digest(named, slots_[signing_], parts).view(), given)) {
    return AuthVerdict::kOkByCurrentKey;
  }
  return AuthVerdict::kMismatch;
}

}  // namespace twinbeat
