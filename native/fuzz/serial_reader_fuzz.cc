// The first byte chooses the size of the pieces; the frames must not depend on it.
#include <memory>
#include <string>
#include <vector>

#include "core/base/assert.h"
#include "core/wire/hb_text.h"
#include "core/wire/serial_reader.h"

namespace {

using namespace twinbeat;

std::vector<std::string> read_frames(SerialReader& reader, Bytes input, std::size_t piece) {
  std::vector<std::string> frames;
  while (!input.empty()) {
    Bytes part = input.first(input.size() < piece ? input.size() : piece);
    input = input.subspan(part.size());
    while (!part.empty()) {
      const SerialReader::Step step = reader.feed(part);
      TB_ASSERT(step.consumed > 0 && step.consumed <= part.size(), "progress");
      part = part.subspan(step.consumed);
      if (!step.frame.empty()) frames.emplace_back(as_text(step.frame));
    }
  }
  return frames;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Bytes input(data + 1, size - 1);
  const auto whole_reader = std::make_unique<SerialReader>();
  const auto piece_reader = std::make_unique<SerialReader>();
  const auto whole = read_frames(*whole_reader, input, input.size() + 1);
  const auto pieces = read_frames(*piece_reader, input, data[0] % 32u + 1);
  TB_ASSERT(whole == pieces, "frames do not depend on how the bytes arrive");
  static const auto message = std::make_unique<MessageBuffer<>>();
  for (const std::string& frame : whole) {
    TB_ASSERT(frame.starts_with(">>>\n") && frame.ends_with("\n<<<\n"), "a whole frame");
    TB_ASSERT(frame.find("\n>>>\n") == std::string::npos, "one start line");
    TB_ASSERT(frame.size() <= kMaxSerialFrameBytes, "bounded");
    const Parsed parsed = parse_classic(as_bytes(frame), message->message());
    TB_ASSERT(parsed.reason != Reason::kTruncated && parsed.reason != Reason::kUnterminated,
              "a frame is never cut");
  }
  // Whatever came before, the next clean frame is read.
  const std::string clean = "\n>>>\nt=a\nauth=1 0\n<<<\n";
  const auto last = read_frames(*piece_reader, as_bytes(clean), 3);
  TB_ASSERT(!last.empty() && last.back() == clean.substr(1), "resynchronised");
  return 0;
}
