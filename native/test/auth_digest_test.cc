// Published test vectors: RFC 1321, RFC 2202, RFC 4231, FIPS 180, POSIX cksum.
#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "core/auth/crc32.h"
#include "core/auth/hmac.h"
#include "core/auth/md5.h"
#include "core/auth/sha1.h"
#include "core/auth/sha256.h"

using namespace twinbeat;

namespace {

std::string hex(Bytes bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

template <typename Algorithm>
std::string hash(std::string_view text) {
  Hash<Algorithm> hash;
  hash.update(as_bytes(text));
  return hex(hash.finish());
}

template <typename Algorithm>
std::string hmac(std::string_view key, std::string_view text) {
  const Bytes parts[] = {as_bytes(text)};
  return hex(HmacKey<Algorithm>(as_bytes(key)).mac(parts));
}

}  // namespace

TEST_CASE("md5 gives the digests of RFC 1321") {
  CHECK(hash<Md5>("") == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(hash<Md5>("abc") == "900150983cd24fb0d6963f7d28e17f72");
  CHECK(hash<Md5>("12345678901234567890123456789012345678901234567890123456789012345678901234567890") ==
        "57edf4a22be3c955ac49da2e2107b67a");
}

TEST_CASE("sha1 and sha256 give the digests of FIPS 180") {
  CHECK(hash<Sha1>("abc") == "a9993e364706816aba3e25717850c26c9cd0d89d");
  CHECK(hash<Sha1>("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  CHECK(hash<Sha256>("abc") ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hash<Sha256>("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST_CASE("a million letters hash right whatever the pieces") {
  const std::string letters(1000000, 'a');
  for (const std::size_t piece : {1000000u, 63u, 64u, 65u, 1u}) {
    Hash<Sha1> sha1;
    Bytes left = as_bytes(letters);
    while (!left.empty()) {
      const std::size_t count = left.size() < piece ? left.size() : piece;
      sha1.update(left.first(count));
      left = left.subspan(count);
    }
    CHECK(hex(sha1.finish()) == "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
  }
}

TEST_CASE("the CPU's SHA instructions and the portable code agree") {
  std::vector<std::uint8_t> blocks(64 * 5);
  std::uint32_t seed = 12345;
  for (int round = 0; round < 200; ++round) {
    for (std::uint8_t& byte : blocks) {
      seed = seed * 1664525u + 1013904223u;
      byte = static_cast<std::uint8_t>(seed >> 24);
    }
    auto sha1 = Sha1::initial();
    auto sha1_portable = sha1;
    Sha1::compress(sha1, blocks.data(), 5);
    Sha1::compress_portable(sha1_portable, blocks.data(), 5);
    REQUIRE(sha1 == sha1_portable);
    auto sha256 = Sha256::initial();
    auto sha256_portable = sha256;
    Sha256::compress(sha256, blocks.data(), 5);
    Sha256::compress_portable(sha256_portable, blocks.data(), 5);
    REQUIRE(sha256 == sha256_portable);
  }
}

TEST_CASE("hmac gives the digests of RFC 2202 and RFC 4231") {
  CHECK(hmac<Md5>("Jefe", "what do ya want for nothing?") == "750c783e6ab0b503eaa86e310a5db738");
  CHECK(hmac<Sha1>("Jefe", "what do ya want for nothing?") ==
        "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  CHECK(hmac<Sha256>("Jefe", "what do ya want for nothing?") ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST_CASE("keys longer than a block are hashed first") {
  const std::string text = "Test Using Larger Than Block-Size Key - Hash Key First";
  CHECK(hmac<Md5>(std::string(80, '\xaa'), text) == "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd");
  CHECK(hmac<Sha1>(std::string(80, '\xaa'), text) == "aa4ae5e15272d00e95705637ce8a3b55ed402112");
  CHECK(hmac<Sha256>(std::string(131, '\xaa'), text) ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST_CASE("hmac over several pieces is hmac over their concatenation") {
  const Bytes pieces[] = {as_bytes("what do ya "), {}, as_bytes("want for nothing?")};
  CHECK(hex(HmacKey<Md5>(as_bytes("Jefe")).mac(pieces)) == "750c783e6ab0b503eaa86e310a5db738");
}

TEST_CASE("crc is that of cksum without the length, also byte by byte") {
  const std::string text = "123456789";
  Crc32 whole;
  whole.update(as_bytes(text));
  CHECK(whole.finish() == 0x765e7680);  // CRC-32/CKSUM is defined over exactly these nine bytes
  Crc32 pieces;
  for (const char c : text) pieces.update(as_bytes({&c, 1}));
  CHECK(pieces.finish() == whole.finish());
  CHECK(Crc32().finish() == 0xffffffff);
}
