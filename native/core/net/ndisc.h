// Neighbour discovery packets as bytes (RFC 4861, RFC 4862): the unsolicited advertisement that
// moves an IPv6 address to our MAC, our own duplicate address question, and what others say.
// Frames are complete, Ethernet and IPv6 headers included, so that one packet socket sends all.
#pragma once

#include <cstdint>
#include <span>

#include "core/net/garp.h"

namespace twinbeat::net {

inline constexpr size_t kAdvertisementFrameBytes = 86;  // 14 + 40 + 24 + link-layer option 8
inline constexpr size_t kSolicitationFrameBytes = 78;   // from `::` no option is allowed

struct AdvertisementOptions {
  bool router;
};
void encode_unsolicited_advertisement(std::span<uint8_t, kAdvertisementFrameBytes> frame,
                                      const Mac& mac, const Address& address,
                                      AdvertisementOptions options) noexcept;
void encode_duplicate_solicitation(std::span<uint8_t, kSolicitationFrameBytes> frame,
                                   const Mac& mac, const Address& address) noexcept;

// An advertisement claims its target for the sender; a solicitation from `::` asks for it. The MAC
// is the link-layer option's, or the Ethernet source when there is none.
[[nodiscard]] bool parse_neighbour(Bytes frame, Claim& out) noexcept;

}  // namespace twinbeat::net
