// Steps and watch lists from the bytes of src/engine/step-codec.ts. TypeScript has checked them for people; here every
// length, count and kind is checked again, because a wrong one would corrupt memory. Pure.
#pragma once

#include <span>

#include "core/base/bytes.h"
#include "core/net/steps.h"

namespace twinbeat::net {

// How many steps the bytes hold, 0 if they make no sense or are more than fit. Then `steps` holds anything.
[[nodiscard]] std::uint32_t parse_steps(Bytes bytes, std::span<AddressStep> steps) noexcept;

// False if the bytes make no sense; then `list` holds anything.
[[nodiscard]] bool parse_watch_list(Bytes bytes, WatchList& list) noexcept;

}  // namespace twinbeat::net
