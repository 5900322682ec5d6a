// Which ways the guardian gets for a node's last words: copies of the engine's open sockets and lines.
#pragma once

#include <span>

#include "core/guard/page_writer.h"
#include "core/link/link.h"

namespace twinbeat::guard {

// Engine thread; after every change of a link and for every new guardian. Never blocks; a way that cannot be handed
// over is left out.
void hand_over(PageWriter& page, std::span<Link* const> links) noexcept;

}  // namespace twinbeat::guard
