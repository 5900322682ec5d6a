// Just enough JSON for the snapshot: no allocation, sticky failure when the place is too small.
#pragma once

#include <cstdint>
#include <cstdio>
#include <span>
#include <string_view>

namespace twinbeat {

class JsonWriter {
 public:
  explicit JsonWriter(std::span<char> out) noexcept : out_(out) {}

  [[nodiscard]] std::size_t size() const noexcept { return failed_ ? 0 : size_; }

  JsonWriter& open(char bracket) noexcept {
    separate();
    put(bracket);
    fresh_ = true;
    return *this;
  }
  JsonWriter& close(char bracket) noexcept {
    put(bracket);
    fresh_ = false;
    return *this;
  }
  JsonWriter& key(std::string_view name) noexcept {
    string(name);
    put(':');
    fresh_ = true;
    return *this;
  }
  JsonWriter& string(std::string_view text) noexcept {
    separate();
    put('"');
    for (const char c : text) character(static_cast<unsigned char>(c));
    put('"');
    return *this;
  }
  JsonWriter& number(std::int64_t value) noexcept {
    separate();
    char digits[24];
    const int count = std::snprintf(digits, sizeof(digits), "%lld", static_cast<long long>(value));
    raw({digits, static_cast<std::size_t>(count)});
    return *this;
  }
  JsonWriter& boolean(bool value) noexcept { return word(value ? "true" : "false"); }
  JsonWriter& null() noexcept { return word("null"); }
  // A moment; 0 means never.
  JsonWriter& moment(std::int64_t value) noexcept { return value == 0 ? null() : number(value); }

 private:
  JsonWriter& word(std::string_view text) noexcept {
    separate();
    raw(text);
    return *this;
  }
  void separate() noexcept {
    if (!fresh_) put(',');
    fresh_ = false;
  }
  void character(unsigned char c) noexcept {
    if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') return put(static_cast<char>(c));
    char escaped[8];
    const int count = std::snprintf(escaped, sizeof(escaped), "\\u%04x", static_cast<unsigned>(c));
    raw({escaped, static_cast<std::size_t>(count)});
  }
  void raw(std::string_view text) noexcept {
    for (const char c : text) put(c);
  }
  void put(char c) noexcept {
    if (size_ >= out_.size()) {
      failed_ = true;
      return;
    }
    out_[size_++] = c;
  }

  std::span<char> out_;
  std::size_t size_ = 0;
  bool fresh_ = true;
  bool failed_ = false;
};

}  // namespace twinbeat
