// One datagram as it was, to know another copy of it at a glance. What is the same to the last byte, signature included,
// says the same and was signed by the same key: nothing of it has to be read again.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "core/base/bytes.h"

namespace twinbeat {

class LastDatagram {
 public:
  static constexpr std::size_t kBytes = 1024;  // a status has 250 to 400

  // One that is too long is not kept, and then nothing is a copy of it.
  void keep(Bytes datagram) noexcept {
    size_ = datagram.size() <= kBytes ? datagram.size() : 0;
    if (size_ > 0) std::memcpy(bytes_.data(), datagram.data(), size_);
  }
  void forget() noexcept { size_ = 0; }
  [[nodiscard]] bool is(Bytes datagram) const noexcept {
    return size_ > 0 && datagram.size() == size_ && std::memcmp(bytes_.data(), datagram.data(), size_) == 0;
  }

 private:
  std::array<std::uint8_t, kBytes> bytes_;
  std::size_t size_ = 0;
};

}  // namespace twinbeat
