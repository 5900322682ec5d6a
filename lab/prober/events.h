// What the prober tells. The hot thread puts events into a ring that is there from the start; an ordinary thread
// turns them into JSON lines. The hot thread never writes, allocates or waits: a reader that is slow costs events,
// and their number is told, never time.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace prober {

enum class Kind : std::uint8_t {
  kBegin,
  kAddr,
  kHeld,
  kGarp,
  kArp,
  kGap,
  kSent,
  kAnswer,
  kLate,
  kStall,
  kMark,
  kDone,
  kError,
  kEnd
};

enum class Where : std::uint8_t { kClient, kBridge };

inline constexpr std::uint8_t kNobody = 255;
inline constexpr std::size_t kTextBytes = 112;

struct Event {
  std::int64_t at_ns = 0;
  std::int64_t value = 0;   // rtt, lateness or number, as the kind says
  std::uint64_t seq = 0;
  std::int64_t gap_ns = -1;  // since the answer before, in brief mode
  Kind kind = Kind::kMark;
  std::uint8_t node = kNobody;
  std::uint16_t address = 0;
  bool on = false;
  Where where = Where::kClient;
  std::uint8_t mac[6] = {};
  char text[kTextBytes] = {};
};

/// Names for the numbers in events; fixed before the first event.
struct Names {
  std::vector<std::string> nodes;
  std::vector<std::string> addresses;
};

class Journal {
 public:
  explicit Journal(Names names);
  /// Hot thread only.
  void put(const Event& event) noexcept;
  /// Starts the thread that writes; before the hot thread takes its priority.
  void start();
  /// Everything put until now is written when this returns.
  void finish();

 private:
  // At one answer each 500 us, 32 s of a reader that stands still.
  static constexpr std::size_t kEvents = 65536;

  void write_all();
  void drain(std::string& out);

  Names names_;
  std::vector<Event> ring_;
  std::atomic<std::size_t> head_{0};
  std::atomic<std::size_t> tail_{0};
  std::atomic<std::uint64_t> lost_{0};
  std::atomic<bool> ending_{false};
  std::uint64_t told_lost_ = 0;
  std::thread writer_;
};

}  // namespace prober
