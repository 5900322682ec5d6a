// A ring of variable-sized items between exactly one writing and one reading thread. An item is visible whole or not
// at all; a full ring is an answer to the writer.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "core/base/bytes.h"

namespace twinbeat {

class ByteRing {
 public:
  explicit ByteRing(std::size_t capacity_log2)
      : mask_((std::size_t{1} << capacity_log2) - 1), bytes_(new std::uint8_t[mask_ + 1]()) {}

  [[nodiscard]] std::size_t capacity() const noexcept { return mask_ + 1; }
  [[nodiscard]] std::span<std::uint8_t> memory() noexcept { return {bytes_.get(), capacity()}; }

  // Writing thread. The parts become one item.
  [[nodiscard]] bool push(std::span<const Bytes> parts) noexcept {
    std::size_t size = 0;
    for (const Bytes& part : parts) size += part.size();
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    const std::size_t used = tail - head_.load(std::memory_order_acquire);
    if (size > UINT32_MAX || sizeof(std::uint32_t) + size > capacity() - used) return false;
    const auto counted = static_cast<std::uint32_t>(size);
    std::size_t at = tail;
    write(at, &counted, sizeof(counted));
    for (const Bytes& part : parts) write(at, part.data(), part.size());
    tail_.store(at, std::memory_order_release);
    return true;
  }

  // Reading thread. Size of the oldest item; false when there is none.
  [[nodiscard]] bool front_size(std::size_t& size) const noexcept {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return false;
    std::uint32_t counted = 0;
    read(head, &counted, sizeof(counted));
    size = counted;
    return true;
  }

  // Reading thread. Copies the oldest item out, `into` being at least front_size() long, and frees it.
  void pop(std::uint8_t* into) noexcept {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    std::uint32_t counted = 0;
    read(head, &counted, sizeof(counted));
    read(head + sizeof(counted), into, counted);
    head_.store(head + sizeof(counted) + counted, std::memory_order_release);
  }

  // Either thread.
  [[nodiscard]] std::size_t used() const noexcept {
    return tail_.load(std::memory_order_acquire) - head_.load(std::memory_order_acquire);
  }

 private:
  void write(std::size_t& at, const void* from, std::size_t count) noexcept {
    const auto* source = static_cast<const std::uint8_t*>(from);
    const std::size_t place = at & mask_;
    const std::size_t first = count < capacity() - place ? count : capacity() - place;
    if (first > 0) std::memcpy(&bytes_[place], source, first);
    if (count > first) std::memcpy(&bytes_[0], source + first, count - first);
    at += count;
  }

  void read(std::size_t at, void* to, std::size_t count) const noexcept {
    auto* target = static_cast<std::uint8_t*>(to);
    const std::size_t place = at & mask_;
    const std::size_t first = count < capacity() - place ? count : capacity() - place;
    if (first > 0) std::memcpy(target, &bytes_[place], first);
    if (count > first) std::memcpy(target + first, &bytes_[0], count - first);
  }

  std::size_t mask_;
  std::unique_ptr<std::uint8_t[]> bytes_;
  alignas(64) std::atomic<std::size_t> head_{0};
  alignas(64) std::atomic<std::size_t> tail_{0};
};

}  // namespace twinbeat
