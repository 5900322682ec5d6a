// What a watcher says for an engine whose processor stands: "wait for me". Only the engine knows the words, the key and
// the ways; it leaves copies of them here, so that another thread can speak while the engine cannot run.
#pragma once

#include <array>
#include <mutex>
#include <span>
#include <string_view>

#include "abi/guard_page.h"
#include "core/auth/keyring.h"
#include "core/base/bytes.h"
#include "core/base/clock.h"

namespace twinbeat {

// What a status says of itself: 1 was the first, from 2 on a node knows the words below.
inline constexpr std::uint64_t kTwinbeatVersion = 2;
// "Wait for me", and the answer of who does. Unsequenced, signed, and only between nodes of our kind.
inline constexpr std::string_view kStandType = "NS_tbstand";
inline constexpr std::string_view kWaitType = "NS_tbwait";
inline constexpr std::string_view kStandStamp = "tb_stamp";
inline constexpr Micros kStandMost = guard::kStandMostUs;

// `fd` stays the caller's.
struct StandWay {
  guard::LinkTarget target{};
  int fd = -1;
};

class StandVoice {
 public:
  StandVoice() noexcept = default;
  ~StandVoice() { hush(); }
  StandVoice(const StandVoice&) = delete;
  StandVoice& operator=(const StandVoice&) = delete;

  // Engine thread. `words`: the whole message as a netstring, but for its stamp and signature. Datagrams only: a second
  // writer would break what is on its way on a line. False: it is speaking just now; to be tried again.
  [[nodiscard]] bool prepare(Bytes words, const Keyring& keyring, std::span<const StandWay> ways) noexcept;
  // Nothing to say from now on. False as above.
  [[nodiscard]] bool try_hush() noexcept;
  void hush() noexcept;  // waits for one that speaks

  // A watcher. True: it was sent on one way at least. Never waits for the engine.
  bool say(Micros now) noexcept;

 private:
  static constexpr std::size_t kBytes = 1024;

  void forget() noexcept;

  std::mutex used_;
  Keyring keyring_;
  std::array<std::uint8_t, kBytes> words_{};
  std::size_t words_size_ = 0;  // 0: nothing to say
  std::array<StandWay, guard::kLinkTargetsMax> ways_{};  // descriptors of our own
  std::size_t count_ = 0;
  std::array<std::uint8_t, kBytes> arena_{};
  std::array<std::uint8_t, 2 * kBytes> datagram_{};
};

}  // namespace twinbeat
