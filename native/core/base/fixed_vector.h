// A vector whose capacity is part of its type: no allocation, and being full is an answer.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "core/base/assert.h"
#include "core/base/status.h"

namespace twinbeat {

template <typename T, std::size_t Capacity>
class FixedVector {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] bool full() const noexcept { return size_ == Capacity; }
  [[nodiscard]] static constexpr std::size_t capacity() noexcept { return Capacity; }

  Status push_back(const T& item) noexcept {
    if (full()) return Status::kFull;
    items_[size_++] = item;
    return Status::kOk;
  }

  // Keeps the order of the others.
  Status insert(std::size_t index, const T& item) noexcept {
    TB_ASSERT(index <= size_, "insert behind the end");
    if (full()) return Status::kFull;
    for (std::size_t i = size_; i > index; --i) items_[i] = items_[i - 1];
    items_[index] = item;
    ++size_;
    return Status::kOk;
  }

  void erase(std::size_t index) noexcept {
    TB_ASSERT(index < size_, "erase behind the end");
    for (std::size_t i = index + 1; i < size_; ++i) items_[i - 1] = items_[i];
    --size_;
  }

  void clear() noexcept { size_ = 0; }

  [[nodiscard]] T& operator[](std::size_t index) noexcept {
    TB_ASSERT(index < size_, "index behind the end");
    return items_[index];
  }
  [[nodiscard]] const T& operator[](std::size_t index) const noexcept {
    TB_ASSERT(index < size_, "index behind the end");
    return items_[index];
  }

  [[nodiscard]] T* begin() noexcept { return items_.data(); }
  [[nodiscard]] T* end() noexcept { return items_.data() + size_; }
  [[nodiscard]] const T* begin() const noexcept { return items_.data(); }
  [[nodiscard]] const T* end() const noexcept { return items_.data() + size_; }
  [[nodiscard]] std::span<T> span() noexcept { return {items_.data(), size_}; }
  [[nodiscard]] std::span<const T> span() const noexcept { return {items_.data(), size_}; }

 private:
  std::array<T, Capacity> items_{};
  std::size_t size_ = 0;
};

}  // namespace twinbeat
