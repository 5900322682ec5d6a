// A ring between exactly one writing and one reading thread. Neither side ever waits: a full
// ring is an answer to the writer, an empty one to the reader.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>

namespace twinbeat {

template <typename T, std::size_t Capacity>
class SpscRing {
  static_assert(Capacity >= 2 && (Capacity & (Capacity - 1)) == 0, "a power of two");

 public:
  // Writing thread only. The place to fill, or nullptr when full; becomes visible by commit().
  [[nodiscard]] T* claim() noexcept {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) == Capacity) return nullptr;
    return &items_[tail & (Capacity - 1)];
  }

  // Writing thread only, once after a successful claim().
  void commit() noexcept {
    tail_.store(tail_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }

  // Writing thread only.
  [[nodiscard]] bool push(const T& item) noexcept {
    T* place = claim();
    if (place == nullptr) return false;
    *place = item;
    commit();
    return true;
  }

  // Reading thread only. The oldest item, or nullptr; stays valid until pop().
  [[nodiscard]] T* front() noexcept {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return nullptr;
    return &items_[head & (Capacity - 1)];
  }

  // Reading thread only, once after front() gave an item.
  void pop() noexcept {
    head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }

  // Either thread; exact only for the caller's own end.
  [[nodiscard]] std::size_t size() const noexcept {
    return tail_.load(std::memory_order_acquire) - head_.load(std::memory_order_acquire);
  }

 private:
  // Counters run free and wrap; their own cache lines, so that the two threads do not share one.
  alignas(64) std::atomic<std::size_t> head_{0};
  alignas(64) std::atomic<std::size_t> tail_{0};
  alignas(64) std::array<T, Capacity> items_{};
};

}  // namespace twinbeat
