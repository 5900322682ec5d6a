#include <doctest/doctest.h>

#include <array>
#include <string>

#include "core/wire/base64.h"
#include "core/wire/envelope.h"
#include "core/wire/hb_text.h"

using namespace twinbeat;

namespace {

struct Wire {
  Wire() {
    REQUIRE(ring.set(1, AuthMethod::kSha1, as_bytes("secret")) == Status::kOk);
    REQUIRE(ring.set_signing(1) == Status::kOk);
  }

  Opened open(std::string_view text) {
    input = text;
    return open_message(as_bytes(input), ring, buffer.message());
  }
  std::string netstring(const Message& message, InnerAuth inner = InnerAuth::kAdd) {
    const Encoded encoded = encode_netstring(message, ring, inner, output);
    REQUIRE(encoded.status == Status::kOk);
    return std::string(as_text(encoded.bytes));
  }
  std::string classic(const Message& message) {
    const Encoded encoded = encode_classic(message, ring, output);
    REQUIRE(encoded.status == Status::kOk);
    return std::string(as_text(encoded.bytes));
  }

  Keyring ring;
  std::string input;
  MessageBuffer<> buffer;
  std::array<std::uint8_t, kMaxMessageBytes> output;
};

constexpr std::array<std::uint8_t, 16> kUuid = {0, 10, 13, 44, 255, 61, 1, 2,
                                                3, 4,  5,  6,  7,   8,  9, 10};

void fill(Message& message) {
  REQUIRE(message.add_text("t", "status") == Status::kOk);
  REQUIRE(message.add_text("st", "") == Status::kOk);
  REQUIRE(message.add_text("src", "nodea") == Status::kOk);
  REQUIRE(message.add("srcuuid", FieldType::kBinary, kUuid) == Status::kOk);
  REQUIRE(message.add_hex("seq", 0x1f) == Status::kOk);
  REQUIRE(message.add_hex("hg", 0x6b02aa0c) == Status::kOk);
  REQUIRE(message.add_hex("ts", 0x6b02aa0d) == Status::kOk);
  REQUIRE(message.add_decimal("ttl", 4) == Status::kOk);
}

}  // namespace

TEST_CASE("both encodings bring back what went in") {
  Wire wire;
  MessageBuffer<1024> sent;
  fill(sent.message());
  for (const bool classic : {false, true}) {
    const std::string text =
        classic ? wire.classic(sent.message()) : wire.netstring(sent.message());
    const Opened opened = wire.open(text);
    CHECK(opened.ok());
    CHECK(opened.encoding == (classic ? Encoding::kClassic : Encoding::kNetstring));
    CHECK(opened.seq == 0x1f);
    CHECK(opened.generation == 0x6b02aa0c);
    const Message& got = wire.buffer.message();
    REQUIRE(got.fields().size() == sent.message().fields().size() + 1);
    for (std::size_t i = 0; i < sent.message().fields().size(); ++i) {
      const Field& a = sent.message().fields()[i];
      const Field& b = got.fields()[i];
      CHECK(a.name == b.name);
      CHECK(a.type == b.type);
      CHECK(as_text(a.value) == as_text(b.value));
    }
    CHECK(got.fields().back().name == "auth");
  }
}

TEST_CASE("the inner auth of a netstring message is the classic signature") {
  Wire wire;
  MessageBuffer<1024> sent;
  fill(sent.message());
  const std::string classic = wire.classic(sent.message());
  CHECK(wire.open(wire.netstring(sent.message())).ok());
  const std::string inner(*wire.buffer.message().text("auth"));
  CHECK(classic.find("\nauth=" + inner + "\n<<<\n") != std::string::npos);
  CHECK(wire.open(wire.netstring(sent.message(), InnerAuth::kOmit)).ok());
  CHECK(wire.buffer.message().find("auth") == nullptr);
}

TEST_CASE("a netstring message cut anywhere is refused and never accepted") {
  Wire wire;
  MessageBuffer<1024> sent;
  fill(sent.message());
  const std::string text = wire.netstring(sent.message());
  const std::size_t end = text.find("%%%\n") + 4;
  for (std::size_t size = 0; size < text.size(); ++size) {
    const Opened opened = wire.open(text.substr(0, size));
    if (size < 4 && size > 0) {
      CHECK(opened.reason == Reason::kTruncated);
    } else if (size < end) {
      CHECK(opened.reason == Reason::kTruncated);
    } else if (size == end) {
      CHECK(opened.reason == Reason::kNoAuth);
    } else {
      CHECK(opened.reason == Reason::kUnterminated);
    }
  }
}

TEST_CASE("a classic message cut anywhere is refused and never accepted") {
  Wire wire;
  MessageBuffer<1024> sent;
  fill(sent.message());
  const std::string text = wire.classic(sent.message());
  for (std::size_t size = 0; size < text.size(); ++size) {
    const Reason reason = wire.open(text.substr(0, size)).reason;
    CHECK((reason == Reason::kTruncated || reason == Reason::kUnterminated));
  }
  CHECK(wire.open(text.substr(0, text.size() - 4)).reason == Reason::kUnterminated);
}

TEST_CASE("any changed byte that is signed is noticed") {
  Wire wire;
  MessageBuffer<1024> sent;
  fill(sent.message());
  const std::string text = wire.netstring(sent.message());
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CHECK_FALSE(wire.open(changed).ok());
  }
}

TEST_CASE("bytes behind either message are not looked at") {
  Wire wire;
  MessageBuffer<1024> sent;
  fill(sent.message());
  CHECK(wire.open(wire.netstring(sent.message()) + "rest").ok());
  CHECK(wire.open(wire.classic(sent.message()) + std::string(1, '\0')).ok());
}

TEST_CASE("a classic signature may stand anywhere but only once") {
  Wire wire;
  MessageBuffer<1024> sent;
  fill(sent.message());
  const std::string text = wire.classic(sent.message());
  const std::size_t at = text.find("auth=");
  const std::size_t end = text.find("<<<");
  const std::string line = text.substr(at, end - at);
  CHECK(wire.open(text.substr(0, 4) + line + text.substr(4, at - 4) + "<<<\n").ok());
  CHECK(wire.open(text.substr(0, end) + line + "<<<\n").reason == Reason::kMalformed);
  CHECK(wire.open(text.substr(0, at) + "<<<\n").reason == Reason::kNoAuth);
}

TEST_CASE("classic lines that end with CR LF are refused in a datagram") {
  Wire wire;
  CHECK(wire.open(">>>\r\nt=status\r\n<<<\r\n").reason == Reason::kMalformed);
}

TEST_CASE("a line feed inside text survives the classic encoding") {
  Wire wire;
  MessageBuffer<1024> sent;
  fill(sent.message());
  REQUIRE(sent.message().add_text("info", "two\nlines") == Status::kOk);
  const std::string text = wire.classic(sent.message());
  CHECK(text.find("info=two\x13lines\n") != std::string::npos);
  CHECK(wire.open(text).ok());
  CHECK(*wire.buffer.message().text("info") == "two\nlines");
  CHECK(wire.open(wire.netstring(sent.message())).ok());
  CHECK(*wire.buffer.message().text("info") == "two\nlines");
}

TEST_CASE("text with the byte that stands for a line feed cannot be told in classic encoding") {
  Wire wire;
  MessageBuffer<1024> sent;
  fill(sent.message());
  REQUIRE(sent.message().add_text("info", "a\x13z") == Status::kOk);
  CHECK(encode_classic(sent.message(), wire.ring, wire.output).status == Status::kInvalid);
  CHECK(wire.open(wire.netstring(sent.message(), InnerAuth::kOmit)).ok());
  CHECK(*wire.buffer.message().text("info") == "a\x13z");
}

TEST_CASE("an empty value and a message of 20000 bytes are taken") {
  Wire wire;
  MessageBuffer<> sent;
  fill(sent.message());
  REQUIRE(sent.message().add_text("big", std::string(20000, 'x')) == Status::kOk);
  CHECK(wire.open(wire.netstring(sent.message())).ok());
  CHECK(wire.buffer.message().text("big")->size() == 20000);
  CHECK(wire.buffer.message().text("st") == "");
}

TEST_CASE("more fields than the limit are malformed, not an overflow") {
  Wire wire;
  std::string text = "###\n";
  for (int i = 0; i < 65; ++i) text += "6:(0)a=b,";
  CHECK(wire.open(text + "%%%\n3:1 a,").reason == Reason::kMalformed);
  CHECK(wire.buffer.message().fields().size() == kMaxFields);
}

TEST_CASE("what is no field is malformed") {
  Wire wire;
  const std::string auth = "%%%\n3:1 a,";
  const std::string longest(65, 'n');
  for (const std::string& field : {std::string("5:(9)a=,"), std::string("4:(0)a,"),
                                   std::string("5:(0)=b,"), std::string("0:,"),
                                   std::string("x:(0)a=,"), std::string("5:(0)a=;"),
                                   std::string("8:(0)a=b\0c,", 11), std::string("6:(0)a =,"),
                                   std::string("70:(0)") + longest + "=,"}) {
    CAPTURE(field);
    CHECK(wire.open("###\n" + field + auth).reason == Reason::kMalformed);
  }
  CHECK(wire.open("rubbish").reason == Reason::kMalformed);
  CHECK(wire.open("###\n5:(0)a=,%%%\n3:x a,").reason == Reason::kMalformed);
  CHECK(wire.open(">>>\nno value\n<<<\n").reason == Reason::kMalformed);
  CHECK(wire.open(">>>\n(1)a=!!!!\n<<<\n").reason == Reason::kMalformed);
}

TEST_CASE("an auth number that is not configured is named so, however big") {
  Wire wire;
  for (const char* number : {"2", "0", "16", "999999999"}) {
    const std::string body = std::string(number) + " ab";
    const Opened opened =
        wire.open("###\n5:(0)a=,%%%\n" + std::to_string(body.size()) + ":" + body + ",");
    CHECK(opened.reason == Reason::kUnknownAuthNumber);
  }
}

TEST_CASE("an authentic message must still have what every message has") {
  Wire wire;
  const auto reason_without = [&wire](std::string_view left_out, std::string_view type) {
    MessageBuffer<1024> sent;
    for (const std::string_view name : {"t", "src", "seq", "hg", "ts"}) {
      if (name == left_out) continue;
      REQUIRE(sent.message().add_text(name, name == "t" ? type : "1") == Status::kOk);
    }
    return wire.open(wire.netstring(sent.message())).reason;
  };
  CHECK(reason_without("nothing", "status") == Reason::kNone);
  CHECK(reason_without("seq", "status") == Reason::kNoSeq);
  CHECK(reason_without("seq", "NS_st") == Reason::kNone);
  CHECK(reason_without("hg", "status") == Reason::kMalformed);
  CHECK(reason_without("t", "") == Reason::kMalformed);
  CHECK(reason_without("src", "status") == Reason::kMalformed);
  CHECK(reason_without("ts", "NS_st") == Reason::kMalformed);
}

TEST_CASE("an encoder without room, key or with a field auth says no") {
  Wire wire;
  MessageBuffer<1024> sent;
  fill(sent.message());
  for (std::size_t size = 0; size < 320; size += 7) {
    std::array<std::uint8_t, 320> place;
    const std::span<std::uint8_t> room(place.data(), size);
    const Encoded netstring = encode_netstring(sent.message(), wire.ring, InnerAuth::kAdd, room);
    CHECK((netstring.status == Status::kOk || netstring.status == Status::kFull));
    const Encoded classic = encode_classic(sent.message(), wire.ring, room);
    CHECK((classic.status == Status::kOk || classic.status == Status::kFull));
  }
  CHECK(encode_classic(sent.message(), Keyring(), wire.output).status == Status::kInvalid);
  REQUIRE(sent.message().add_text("auth", "1 0") == Status::kOk);
  CHECK(encode_netstring(sent.message(), wire.ring, InnerAuth::kOmit, wire.output).status ==
        Status::kInvalid);
}

TEST_CASE("numbers are read whole or not at all") {
  CHECK(parse_hex("6b02aa0c") == 0x6b02aa0c);
  CHECK(parse_hex("ffffffffffffffff") == UINT64_MAX);
  CHECK_FALSE(parse_hex("").has_value());
  CHECK_FALSE(parse_hex("0x1").has_value());
  CHECK_FALSE(parse_hex("11111111111111111").has_value());
  CHECK(parse_decimal("279") == 279);
  CHECK_FALSE(parse_decimal("27a").has_value());
  CHECK_FALSE(parse_decimal("-1").has_value());
}

TEST_CASE("base64 has one spelling for each value") {
  std::array<std::uint8_t, 64> place;
  const auto encoded = [&place](std::string_view text) {
    ByteWriter writer(place);
    write_base64(writer, as_bytes(text));
    return std::string(as_text(writer.written()));
  };
  CHECK(encoded("") == "");
  CHECK(encoded("f") == "Zg==");
  CHECK(encoded("fo") == "Zm8=");
  CHECK(encoded("foobar") == "Zm9vYmFy");
  std::array<std::uint8_t, 8> output;
  CHECK(read_base64(as_bytes("Zm8="), output) == 2u);
  for (const char* wrong : {"Zm8", "Zm9=", "Zh==", "Z===", "====", "Zg==Zg==", "Zm8=\n", "Zm 8"}) {
    CAPTURE(wrong);
    CHECK_FALSE(read_base64(as_bytes(wrong), output).has_value());
  }
  CHECK_FALSE(read_base64(as_bytes("Zm9vYmFyZm9v"), output).has_value());
}

TEST_CASE("a message refuses what could not travel and keeps its limits") {
  MessageBuffer<16> small;
  CHECK(small.message().add_text("", "x") == Status::kTooLong);
  CHECK(small.message().add_text("a b", "x") == Status::kInvalid);
  CHECK(small.message().add_text("(0)a", "x") == Status::kInvalid);
  CHECK(small.message().add_text("a", std::string_view("x\0y", 3)) == Status::kInvalid);
  CHECK(small.message().add_text("a", "0123456789abcdef") == Status::kFull);
  CHECK(small.message().add_text("a", "0123456789abcde") == Status::kOk);
  CHECK(small.message().add_text("b", "") == Status::kFull);
  small.message().clear();
  CHECK(small.message().add_text("b", "") == Status::kOk);
}
