// The explicit list of link implementations; link.cc maps types to them.
#pragma once

#include <memory>

#include "core/link/link.h"

namespace twinbeat {

std::unique_ptr<Link> make_udp_link(const LinkSpec& spec) noexcept;
std::unique_ptr<Link> make_serial_link(const LinkSpec& spec) noexcept;
std::unique_ptr<Link> make_ping_link(const LinkSpec& spec, std::uint16_t instance) noexcept;
std::unique_ptr<Link> make_loopback_link(const LinkSpec& spec) noexcept;

}  // namespace twinbeat
