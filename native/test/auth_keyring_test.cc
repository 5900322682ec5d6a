#include <doctest/doctest.h>

#include <string>

#include "core/auth/keyring.h"

using namespace twinbeat;

namespace {

constexpr std::string_view kText = "any bytes";

Keyring ring_of(std::size_t signing,
                std::initializer_list<std::pair<AuthMethod, std::string_view>> lines) {
  Keyring ring;
  std::size_t index = 1;
  for (const auto& [method, key] : lines) {
    REQUIRE(ring.set(index, method, as_bytes(key)) == Status::kOk);
    ++index;
  }
  REQUIRE(ring.set_signing(signing) == Status::kOk);
  return ring;
}

std::string sign(const Keyring& ring) {
  const Bytes parts[] = {as_bytes(kText)};
  return std::string(ring.sign(parts).view());
}

AuthVerdict verify(const Keyring& ring, std::uint32_t index, std::string_view digest,
                   KeyRule rule = KeyRule::kNamedLineOrCurrentKey) {
  const Bytes parts[] = {as_bytes(kText)};
  return ring.verify(index, parts, digest, rule);
}

}  // namespace

TEST_CASE("what one ring signs the same ring accepts, by every method") {
  for (const AuthMethod method : {AuthMethod::kMd5, AuthMethod::kSha1, AuthMethod::kSha256}) {
    const Keyring ring = ring_of(1, {{method, "secret"}});
    CHECK(verify(ring, 1, sign(ring)) == AuthVerdict::kOk);
    CHECK(verify(ring, 2, sign(ring)) == AuthVerdict::kUnknownNumber);
    CHECK(verify(ring, 4000000000u, sign(ring)) == AuthVerdict::kUnknownNumber);
  }
  const Keyring crc = ring_of(1, {{AuthMethod::kCrc, ""}});
  CHECK(verify(crc, 1, sign(crc)) == AuthVerdict::kOk);
}

TEST_CASE("a digest in upper case, cut or with something behind it is refused") {
  const Keyring ring = ring_of(1, {{AuthMethod::kSha1, "secret"}});
  std::string digest = sign(ring);
  CHECK(verify(ring, 1, digest.substr(0, 39)) == AuthVerdict::kMismatch);
  CHECK(verify(ring, 1, digest + "0") == AuthVerdict::kMismatch);
  CHECK(verify(ring, 1, "") == AuthVerdict::kMismatch);
  for (char& c : digest) {
    if (c >= 'a' && c <= 'f') c = static_cast<char>(c - 'a' + 'A');
  }
  CHECK(verify(ring, 1, digest) == AuthVerdict::kMismatch);
}

TEST_CASE("a checksum has no leading zeros") {
  const Keyring ring = ring_of(1, {{AuthMethod::kCrc, ""}});
  bool short_seen = false;
  for (int i = 0; i < 400; ++i) {
    const std::string text = std::to_string(i);
    const Bytes parts[] = {as_bytes(text)};
    const DigestText digest = ring.sign(parts);
    CHECK(digest.view().front() != '0');
    short_seen = short_seen || digest.size < 8;
  }
  CHECK(short_seen);
}

TEST_CASE("beside a keyed signing line a checksum is refused although its line exists") {
  const Keyring attacker = ring_of(1, {{AuthMethod::kCrc, ""}});
  const Keyring ring =
      ring_of(2, {{AuthMethod::kCrc, ""}, {AuthMethod::kSha1, "A"}, {AuthMethod::kMd5, "B"}});
  CHECK(verify(ring, 1, sign(attacker)) == AuthVerdict::kCrcRefused);
  const Keyring crc_signs = ring_of(1, {{AuthMethod::kCrc, ""}, {AuthMethod::kSha1, "A"}});
  CHECK(verify(crc_signs, 1, sign(attacker)) == AuthVerdict::kOk);
}

TEST_CASE("rotation: the named line's method with our current key is accepted on netstring only") {
  const Keyring ours = ring_of(1, {{AuthMethod::kSha1, "A"}, {AuthMethod::kSha1, "B"}});
  const Keyring proper = ring_of(2, {{AuthMethod::kSha1, "A"}, {AuthMethod::kSha1, "B"}});
  const Keyring real_node = ring_of(2, {{AuthMethod::kSha1, "A"}, {AuthMethod::kSha1, "A"}});
  CHECK(verify(ours, 2, sign(proper)) == AuthVerdict::kOk);
  CHECK(verify(ours, 2, sign(real_node)) == AuthVerdict::kOkByCurrentKey);
  CHECK(verify(ours, 2, sign(real_node), KeyRule::kNamedLineOnly) == AuthVerdict::kMismatch);
}

TEST_CASE("rotation: the method is that of the named line") {
  const Keyring ours = ring_of(1, {{AuthMethod::kSha1, "A"}, {AuthMethod::kMd5, "B"}});
  const Keyring md5_with_a = ring_of(1, {{AuthMethod::kMd5, "A"}});
  const Keyring sha1_with_a = ring_of(1, {{AuthMethod::kSha1, "A"}});
  CHECK(verify(ours, 2, sign(md5_with_a)) == AuthVerdict::kOkByCurrentKey);
  CHECK(verify(ours, 2, sign(sha1_with_a)) == AuthVerdict::kMismatch);
}

TEST_CASE("rotation: a current line without key lends no empty key to the others") {
  const Keyring ours = ring_of(1, {{AuthMethod::kCrc, ""}, {AuthMethod::kSha1, "B"}});
  const HmacKey<Sha1> empty{Bytes{}};
  const Bytes parts[] = {as_bytes(kText)};
  std::string digest;
  for (const std::uint8_t byte : empty.mac(parts)) {
    digest += "0123456789abcdef"[byte >> 4];
    digest += "0123456789abcdef"[byte & 15];
  }
  CHECK(verify(ours, 2, digest) == AuthVerdict::kMismatch);
}

TEST_CASE("a slot takes only what can work") {
  Keyring ring;
  CHECK(ring.set(16, AuthMethod::kMd5, as_bytes("k")) == Status::kInvalid);
  CHECK(ring.set(1, AuthMethod::kNone, {}) == Status::kInvalid);
  CHECK(ring.set(1, AuthMethod::kMd5, {}) == Status::kInvalid);
  CHECK(ring.set(1, AuthMethod::kCrc, as_bytes("k")) == Status::kInvalid);
  CHECK(ring.set(1, AuthMethod::kMd5, as_bytes(std::string(4097, 'k'))) == Status::kTooLong);
  CHECK(ring.set_signing(1) == Status::kNotFound);
  CHECK_FALSE(ring.can_sign());
}

TEST_CASE("after wipe nothing signs and nothing is accepted") {
  Keyring ring = ring_of(1, {{AuthMethod::kMd5, "secret"}});
  const std::string digest = sign(ring);
  ring.wipe();
  CHECK_FALSE(ring.can_sign());
  CHECK(verify(ring, 1, digest) == AuthVerdict::kUnknownNumber);
}

TEST_CASE("methods are found by the names of authkeys") {
  CHECK(auth_method_by_name("sha256") == AuthMethod::kSha256);
  CHECK(auth_method_by_name("crc") == AuthMethod::kCrc);
  CHECK_FALSE(auth_method_by_name("none").has_value());
  CHECK_FALSE(auth_method_by_name("SHA1").has_value());
}
