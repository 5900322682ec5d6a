// Finds classic frames in the byte stream of a serial line. It resynchronises at every line that
// is exactly `>>>`, so a torn frame costs itself only and never the one behind it. CR, NUL and
// bit 7 are dropped as the line discipline of a real node does; noise between frames is skipped.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/base/bytes.h"

namespace twinbeat {

// Seven seconds of a line at 19200 baud, forty times the usual status frame: a longer frame can
// only hold up the heartbeats behind it.
inline constexpr std::size_t kMaxSerialFrameBytes = 16 * 1024;

class SerialReader {
 public:
  struct Counters {
    std::uint64_t frames = 0;
    std::uint64_t torn = 0;      // a new `>>>` before the end of the last
    std::uint64_t oversize = 0;  // frame above kMaxSerialFrameBytes
    std::uint64_t noise_bytes = 0;
  };

  struct Step {
    std::size_t consumed = 0;
    Bytes frame;  // empty if none was completed; valid until the next call
  };

  // Takes bytes up to the end of the next frame. Call again with the rest until all is consumed:
  //   while (!in.empty()) { auto step = reader.feed(in); in = in.subspan(step.consumed); ... }
  [[nodiscard]] Step feed(Bytes input) noexcept;

  // The line was closed or reopened: what was read of a frame is void.
  void reset() noexcept;
  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }

 private:
  enum class State : std::uint8_t { kOutside, kInside };

  // True if the line that just ended completes a frame.
  bool end_line() noexcept;
  void begin_frame() noexcept;

  std::array<std::uint8_t, kMaxSerialFrameBytes> buffer_{};
  std::size_t size_ = 0;        // bytes of the frame, the current line included
  std::size_t line_start_ = 0;  // where the current line begins in buffer_
  std::size_t line_bytes_ = 0;  // length of the current line, kept or not
  State state_ = State::kOutside;
  Counters counters_;
};

}  // namespace twinbeat
