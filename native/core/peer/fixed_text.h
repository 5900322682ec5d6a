// Short text with its memory inside: names of nodes, links and interfaces, compared often and copied rarely.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace twinbeat {

template <std::size_t Capacity>
class FixedText {
 public:
  FixedText() noexcept = default;
  explicit FixedText(std::string_view text) noexcept { assign(text); }

  // Text beyond the capacity is cut off; callers that care check the length first.
  void assign(std::string_view text) noexcept {
    size_ = text.size() < Capacity ? text.size() : Capacity;
    if (size_ > 0) std::memcpy(chars_.data(), text.data(), size_);
    chars_[size_] = '\0';
  }

  [[nodiscard]] std::string_view view() const noexcept { return {chars_.data(), size_}; }
  [[nodiscard]] const char* c_str() const noexcept { return chars_.data(); }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool operator==(const FixedText& other) const noexcept {
    return view() == other.view();
  }
  [[nodiscard]] bool operator==(std::string_view other) const noexcept { return view() == other; }

 private:
  std::array<char, Capacity + 1> chars_{};
  std::size_t size_ = 0;
};

}  // namespace twinbeat
