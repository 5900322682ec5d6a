#include "core/wire/serial_reader.h"

namespace twinbeat {

namespace {

constexpr std::string_view kStartLine = ">>>\n";
constexpr std::string_view kEndLine = "<<<\n";

}  // namespace

void SerialReader::reset() noexcept {
  size_ = 0;
  line_start_ = 0;
  line_bytes_ = 0;
  state_ = State::kOutside;
}

void SerialReader::begin_frame() noexcept {
  for (std::size_t i = 0; i < kStartLine.size(); ++i) {
    buffer_[i] = static_cast<std::uint8_t>(kStartLine[i]);
  }
  size_ = kStartLine.size();
  line_start_ = size_;
  state_ = State::kInside;
}

bool SerialReader::end_line() noexcept {
  const std::string_view line = as_text(Bytes(buffer_).subspan(line_start_, size_ - line_start_));
  const bool whole = line.size() == line_bytes_;
  const std::size_t bytes = line_bytes_;
  line_bytes_ = 0;
  if (whole && line == kStartLine) {
    if (state_ == State::kInside) ++counters_.torn;
    begin_frame();
    return false;
  }
  if (state_ == State::kOutside) {
    counters_.noise_bytes += bytes;
    size_ = 0;
    line_start_ = 0;
    return false;
  }
  line_start_ = size_;
  return line == kEndLine;
}

SerialReader::Step SerialReader::feed(Bytes input) noexcept {
  for (std::size_t i = 0; i < input.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(input[i] & 0x7f);
    if (byte == '\r' || byte == '\0') continue;
    ++line_bytes_;
    if (state_ == State::kInside && size_ == buffer_.size()) {
      ++counters_.oversize;
      reset();
      line_bytes_ = 2;  // the rest of this line is no start line, however it goes on
    }
    // Outside a frame only a line that may still become `>>>` is kept.
    if (state_ == State::kInside || size_ < kStartLine.size()) buffer_[size_++] = byte;
    if (byte != '\n' || !end_line()) continue;
    const Step step{i + 1, Bytes(buffer_).first(size_)};
    ++counters_.frames;
    reset();
    return step;
  }
  return {input.size(), {}};
}

}  // namespace twinbeat
