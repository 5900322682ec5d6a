#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <string>

#include "core/wire/decoder.h"

using namespace twinbeat;

namespace {

struct Bench {
  Bench() {
    REQUIRE(decoder->keyring().set(1, AuthMethod::kMd5, as_bytes("k")) == Status::kOk);
    REQUIRE(decoder->keyring().set_signing(1) == Status::kOk);
  }

  Reason hear(std::string_view src, std::string_view type, unsigned hg, unsigned seq,
              std::uint8_t uuid = 0) {
    MessageBuffer<512> sent;
    std::array<std::uint8_t, kUuidBytes> whole{};
    whole[0] = uuid;
    REQUIRE(sent.message().add_text("t", type) == Status::kOk);
    REQUIRE(sent.message().add_text("src", src) == Status::kOk);
    if (uuid != 0) REQUIRE(sent.message().add("srcuuid", FieldType::kBinary, whole) == Status::kOk);
    REQUIRE(sent.message().add_hex("hg", hg) == Status::kOk);
    REQUIRE(sent.message().add_hex("seq", seq) == Status::kOk);
    REQUIRE(sent.message().add_hex("ts", 1) == Status::kOk);
    std::array<std::uint8_t, 1024> output;
    const Encoded encoded =
        encode_netstring(sent.message(), decoder->keyring(), InnerAuth::kAdd, output);
    REQUIRE(encoded.status == Status::kOk);
    REQUIRE(decoder->decode(encoded.bytes).ok());
    return decoder->decode_in_order(encoded.bytes).reason;
  }

  std::unique_ptr<Decoder> decoder = std::make_unique<Decoder>();
};

}  // namespace

TEST_CASE("senders are judged apart, by uuid first and by name else") {
  Bench bench;
  CHECK(bench.hear("a", "status", 5, 1) == Reason::kNone);
  CHECK(bench.hear("b", "status", 3, 1) == Reason::kNone);
  CHECK(bench.hear("a", "status", 5, 1) == Reason::kReplay);
  CHECK(bench.hear("a", "resource", 4, 2) == Reason::kOldGeneration);
  CHECK(bench.hear("a", "status", 6, 1) == Reason::kNone);
  CHECK(bench.hear("c", "status", 5, 1, 9) == Reason::kNone);
  CHECK(bench.hear("renamed", "status", 5, 1, 9) == Reason::kReplay);
}

TEST_CASE("more senders than the limit are taken, the first forgotten") {
  Bench bench;
  for (unsigned i = 0; i <= kMaxSenders; ++i) {
    CHECK(bench.hear("node" + std::to_string(i), "status", 1, 1) == Reason::kNone);
  }
  CHECK(bench.hear("node64", "status", 1, 1) == Reason::kReplay);
  CHECK(bench.hear("node5", "status", 1, 1) == Reason::kReplay);
  CHECK(bench.hear("node0", "status", 1, 1) == Reason::kNone);
}

TEST_CASE("messages without sequence number are never replays") {
  Bench bench;
  CHECK(bench.hear("a", "NS_st", 1, 1) == Reason::kNone);
  CHECK(bench.hear("a", "NS_st", 1, 1) == Reason::kNone);
}
