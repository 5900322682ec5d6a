#pragma once

#include "options.h"

namespace prober {

/// Answers datagrams and connections on every address of a namespace, from the address that was asked, with the name of
/// the node; for ever.
[[noreturn]] void answer(const Options& options);

}  // namespace prober
