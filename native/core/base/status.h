// How a call of the core says that it could not do what was asked. There are no exceptions.
#pragma once

#include <cstdint>

namespace twinbeat {

enum class [[nodiscard]] Status : std::uint8_t {
  kOk,
  kFull,      // a fixed capacity is reached; nothing was changed
  kTooLong,   // one item is above its own limit
  kInvalid,   // the arguments contradict the format
  kNotFound,  // there is nothing by that name or index
};

}  // namespace twinbeat
