// ARP packets as bytes: the announcement of an address (RFC 5227 section 3, both historic forms),
// the question whether it is free (section 2.1), and what others say. No socket here.
#pragma once

#include <cstdint>
#include <span>

#include "core/net/nl_message.h"

namespace twinbeat::net {

inline constexpr size_t kArpFrameBytes = 42;  // Ethernet 14 + ARP 28; drivers pad

// Some hosts refresh their table from requests, some from replies: bursts alternate.
enum class ArpForm : uint8_t { kRequest = 1, kReply = 2 };

void encode_gratuitous_arp(std::span<uint8_t, kArpFrameBytes> frame, ArpForm form, const Mac& mac,
                           const Address& address) noexcept;
void encode_arp_probe(std::span<uint8_t, kArpFrameBytes> frame, const Mac& mac,
                      const Address& address) noexcept;

// What a received frame says about an address: `mac` uses it, or (`asks`) wants to.
struct Claim {
  Address address{};
  Mac mac{};
  uint8_t family = 0;
  bool asks = false;  // an ARP probe or a duplicate address detection, not yet a use
};

// `frame` begins with the Ethernet header. False: not ARP for IPv4 over Ethernet, or a packet that
// claims nothing (a plain question by somebody without an address is a probe, see Claim::asks).
[[nodiscard]] bool parse_arp(Bytes frame, Claim& out) noexcept;

}  // namespace twinbeat::net
