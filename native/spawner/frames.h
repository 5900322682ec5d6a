// Reading requests and writing replies. A request that is not exactly well formed is refused as a whole.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "spawner/child.h"
#include "spawner/protocol.h"

namespace twinbeat::spawner {

class FrameReader {
 public:
  FrameReader(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}

  std::uint32_t u32() {
    std::uint32_t value = 0;
    if (left_ < sizeof(value)) {
      failed_ = true;
      return 0;
    }
    std::memcpy(&value, data_, sizeof(value));
    skip(sizeof(value));
    return value;
  }
  // Without a NUL inside: it goes to the kernel as a C string.
  std::string text() {
    std::string value = blob();
    if (value.find('\0') != std::string::npos) failed_ = true;
    return value;
  }
  std::string blob() {
    const std::uint32_t size = u32();
    if (failed_ || size > left_) {
      failed_ = true;
      return {};
    }
    std::string value(reinterpret_cast<const char*>(data_), size);
    skip(size);
    return value;
  }
  std::vector<std::string> texts() {
    const std::uint32_t count = u32();
    std::vector<std::string> values;
    if (count > kStringsMax) failed_ = true;
    for (std::uint32_t i = 0; !failed_ && i < count; ++i) values.push_back(text());
    return values;
  }
  [[nodiscard]] bool complete() const { return !failed_ && left_ == 0; }

 private:
  void skip(std::size_t count) {
    data_ += count;
    left_ -= count;
  }

  const std::uint8_t* data_;
  std::size_t left_;
  bool failed_ = false;
};

[[nodiscard]] inline bool parse_start(const std::uint8_t* data, std::size_t size, StartRequest& request) {
  FrameReader in(data, size);
  request.flags = in.u32();
  request.uid = in.u32();
  request.gid = in.u32();
  request.program = in.text();
  request.cwd = in.text();
  request.cgroup = in.text();
  request.input = in.blob();
  request.argv = in.texts();
  request.env = in.texts();
  return in.complete() && !request.program.empty() && !request.argv.empty();
}

class FrameWriter {
 public:
  FrameWriter(Reply type, std::uint32_t id) {
    u32(0);  // the size, once it is known
    bytes_.push_back(static_cast<std::uint8_t>(type));
    u32(id);
  }
  void u32(std::uint32_t value) { put(&value, sizeof(value)); }
  void i32(std::int32_t value) { put(&value, sizeof(value)); }
  void u64(std::uint64_t value) { put(&value, sizeof(value)); }
  void tail(const Tail& tail) {
    u64(tail.dropped());
    u32(static_cast<std::uint32_t>(tail.size()));
    put(tail.data(), tail.size());
  }
  [[nodiscard]] const std::vector<std::uint8_t>& finish() {
    const auto size = static_cast<std::uint32_t>(bytes_.size() - sizeof(std::uint32_t));
    std::memcpy(bytes_.data(), &size, sizeof(size));
    return bytes_;
  }

 private:
  void put(const void* from, std::size_t count) {
    const auto* start = static_cast<const std::uint8_t*>(from);
    bytes_.insert(bytes_.end(), start, start + count);
  }

  std::vector<std::uint8_t> bytes_;
};

}  // namespace twinbeat::spawner
