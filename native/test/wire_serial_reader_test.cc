#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/wire/serial_reader.h"

using namespace twinbeat;

namespace {

constexpr const char* kFrame = ">>>\nt=status\nauth=1 ab\n<<<\n";
constexpr const char* kOther = ">>>\nt=other\nauth=1 cd\n<<<\n";

std::vector<std::string> read(SerialReader& reader, std::string_view text, std::size_t piece) {
  std::vector<std::string> frames;
  Bytes left = as_bytes(text);
  while (!left.empty()) {
    Bytes part = left.first(left.size() < piece ? left.size() : piece);
    left = left.subspan(part.size());
    while (!part.empty()) {
      const SerialReader::Step step = reader.feed(part);
      REQUIRE(step.consumed > 0);
      part = part.subspan(step.consumed);
      if (!step.frame.empty()) frames.emplace_back(as_text(step.frame));
    }
  }
  return frames;
}

std::vector<std::string> read(std::string_view text) {
  std::vector<std::string> whole;
  for (const std::size_t piece : {1u, 3u, 7u, 100000u}) {
    const auto reader = std::make_unique<SerialReader>();
    const std::vector<std::string> frames = read(*reader, text, piece);
    if (piece > 1) CHECK(frames == whole);
    whole = frames;
  }
  return whole;
}

using Frames = std::vector<std::string>;

}  // namespace

TEST_CASE("frames come out whole however the bytes arrive") {
  CHECK(read(std::string(kFrame) + kOther) == Frames{kFrame, kOther});
}

TEST_CASE("noise on lines before a frame is skipped") {
  CHECK(read(std::string("\xff\x80~noise\n\nmore\n") + kFrame) == Frames{kFrame});
  CHECK(read(std::string("noise") + kFrame) == Frames{});
  CHECK(read(std::string("noise\n") + kFrame + "noise" + kOther + kFrame) == Frames{kFrame, kFrame});
}

TEST_CASE("a torn frame costs itself only") {
  const std::string frame(kFrame);
  for (std::size_t cut = 0; cut < frame.size(); ++cut) {
    CAPTURE(cut);
    const Frames frames = read(frame.substr(0, cut) + "\n" + kOther);
    REQUIRE_FALSE(frames.empty());
    CHECK(frames.back() == kOther);
  }
}

TEST_CASE("a second start line begins the frame again") {
  CHECK(read(std::string(">>>\n") + kFrame) == Frames{kFrame});
}

TEST_CASE("CR LF, bit 7 and NUL are tolerated") {
  std::string text;
  for (const char c : std::string(kFrame)) {
    if (c == '\n') text += '\r';
    text += static_cast<char>(c | 0x80);
    text += '\0';
  }
  CHECK(read(text) == Frames{kFrame});
}

TEST_CASE("a netstring message on the line costs no more than the frame glued behind it") {
  const std::string netstring = "###\n11:(0)t=status,%%%\n3:1 a,";
  CHECK(read(netstring + kFrame + kOther) == Frames{kOther});
  CHECK(read(netstring + "\n" + kFrame) == Frames{kFrame});
}

TEST_CASE("a frame above the limit is dropped and the next one found") {
  const auto reader = std::make_unique<SerialReader>();
  std::string text = ">>>\n";
  while (text.size() < 3 * kMaxSerialFrameBytes) text += "name=some value that goes on\n";
  CHECK(read(*reader, text + "<<<\n" + kFrame, 4096) == Frames{kFrame});
  CHECK(reader->counters().oversize == 1);
  CHECK(reader->counters().frames == 1);
}

TEST_CASE("a line that overflows never ends as a start line") {
  const auto reader = std::make_unique<SerialReader>();
  std::string text = ">>>\n" + std::string(kMaxSerialFrameBytes - 4, 'x') + ">>>\nt=a\n<<<\n";
  CHECK(read(*reader, text, 100000).empty());
  CHECK(read(*reader, kFrame, 100000) == Frames{kFrame});
}

TEST_CASE("after reset a half frame is forgotten") {
  const auto reader = std::make_unique<SerialReader>();
  CHECK(read(*reader, ">>>\nt=a\n", 100).empty());
  reader->reset();
  CHECK(read(*reader, "<<<\n", 100).empty());
  CHECK(read(*reader, kFrame, 100) == Frames{kFrame});
}
