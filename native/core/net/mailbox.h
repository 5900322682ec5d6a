// One place for the newest picture between two threads: the writer never waits and is never full,
// the reader gets the last one written and never a mixture. Three slots: one being written, one
// being read, one in between.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace twinbeat::net {

template <typename T>
class Mailbox {
 public:
  // Writing thread only: the place to fill; holds something old.
  [[nodiscard]] T& draft() noexcept { return slots_[writing_]; }
  // Writing thread only: hands the draft over; one that was not read yet is forgotten.
  void post() noexcept {
    const uint8_t before = between_.exchange(static_cast<uint8_t>(writing_ | kFresh),
                                             std::memory_order_acq_rel);
    writing_ = before & kIndex;
  }
  // Reading thread only: the newest one, nullptr if it was taken before. Valid until the next call.
  [[nodiscard]] const T* take() noexcept {
    if ((between_.load(std::memory_order_relaxed) & kFresh) == 0) return nullptr;
    const uint8_t before = between_.exchange(reading_, std::memory_order_acq_rel);
    reading_ = before & kIndex;
    return &slots_[reading_];
  }

 private:
  static constexpr uint8_t kIndex = 3;
  static constexpr uint8_t kFresh = 4;

  std::array<T, 3> slots_{};
  uint8_t writing_ = 0;
  uint8_t reading_ = 1;
  std::atomic<uint8_t> between_{2};
};

}  // namespace twinbeat::net
