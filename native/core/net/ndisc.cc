#include "core/net/ndisc.h"

#include <algorithm>
#include <cstring>

namespace twinbeat::net {
namespace {

constexpr uint8_t kEtherTypeIpv6[2] = {0x86, 0xdd};
constexpr size_t kIp = 14;
constexpr size_t kIpPayloadLength = kIp + 4;
constexpr size_t kIpNextHeader = kIp + 6;
constexpr size_t kIpHopLimit = kIp + 7;
constexpr size_t kIpSource = kIp + 8;
constexpr size_t kIpDestination = kIp + 24;
constexpr size_t kIcmp = kIp + 40;
constexpr size_t kIcmpChecksum = kIcmp + 2;
constexpr size_t kIcmpFlags = kIcmp + 4;
constexpr size_t kIcmpTarget = kIcmp + 8;
constexpr size_t kIcmpOptions = kIcmp + 24;

constexpr uint8_t kNextHeaderIcmp = 58;
constexpr uint8_t kTypeSolicitation = 135;
constexpr uint8_t kTypeAdvertisement = 136;
// A packet that crossed no router, RFC 4861 section 7.1: anything else is forged from afar.
constexpr uint8_t kHopLimit = 255;
constexpr uint8_t kFlagRouter = 0x80;
constexpr uint8_t kFlagOverride = 0x20;
constexpr uint8_t kOptionTargetMac = 2;

// The pseudo header is source, destination, length and next header; the two addresses stand
// before the ICMP header already.
uint16_t icmp_checksum(std::span<const uint8_t> frame) noexcept {
  uint32_t sum = static_cast<uint32_t>(frame.size() - kIcmp) + kNextHeaderIcmp;
  for (size_t i = kIpSource; i + 1 < frame.size(); i += 2) {
    sum += static_cast<uint32_t>(frame[i] << 8 | frame[i + 1]);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

void encode_headers(std::span<uint8_t> frame, const Mac& mac, const uint8_t* multicast_mac_tail,
                    uint8_t icmp_type) noexcept {
  std::fill(frame.begin(), frame.end(), uint8_t{0});
  frame[0] = 0x33;
  frame[1] = 0x33;
  std::memcpy(&frame[2], multicast_mac_tail, 4);
  std::memcpy(&frame[6], mac.bytes, 6);
  std::memcpy(&frame[12], kEtherTypeIpv6, 2);
  frame[kIp] = 0x60;
  frame[kIpPayloadLength + 1] = static_cast<uint8_t>(frame.size() - kIcmp);
  frame[kIpNextHeader] = kNextHeaderIcmp;
  frame[kIpHopLimit] = kHopLimit;
  frame[kIcmp] = icmp_type;
}

void finish_checksum(std::span<uint8_t> frame) noexcept {
  const uint16_t sum = icmp_checksum(frame);
  frame[kIcmpChecksum] = static_cast<uint8_t>(sum >> 8);
  frame[kIcmpChecksum + 1] = static_cast<uint8_t>(sum & 0xff);
}

bool is_zero(Bytes bytes) noexcept {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

// Options are in units of eight bytes; a zero length would loop for ever and is damage.
bool find_target_mac(Bytes options, Mac& out) noexcept {
  while (options.size() >= 8) {
    const size_t bytes = size_t{options[1]} * 8;
    if (bytes == 0 || bytes > options.size()) return false;
    if (options[0] == kOptionTargetMac) {
      std::memcpy(out.bytes, &options[2], 6);
      return true;
    }
    options = options.subspan(bytes);
  }
  return false;
}

}  // namespace

void encode_unsolicited_advertisement(std::span<uint8_t, kAdvertisementFrameBytes> frame,
                                      const Mac& mac, const Address& address,
                                      AdvertisementOptions options) noexcept {
  constexpr uint8_t kAllNodes[16] = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  encode_headers(frame, mac, &kAllNodes[12], kTypeAdvertisement);
  std::memcpy(&frame[kIpSource], address.bytes, 16);
  std::memcpy(&frame[kIpDestination], kAllNodes, 16);
  frame[kIcmpFlags] = static_cast<uint8_t>(kFlagOverride | (options.router ? kFlagRouter : 0));
  std::memcpy(&frame[kIcmpTarget], address.bytes, 16);
  frame[kIcmpOptions] = kOptionTargetMac;
  frame[kIcmpOptions + 1] = 1;
  std::memcpy(&frame[kIcmpOptions + 2], mac.bytes, 6);
  finish_checksum(frame);
}

void encode_duplicate_solicitation(std::span<uint8_t, kSolicitationFrameBytes> frame,
                                   const Mac& mac, const Address& address) noexcept {
  uint8_t group[16] = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  std::memcpy(&group[13], &address.bytes[13], 3);
  encode_headers(frame, mac, &group[12], kTypeSolicitation);
  std::memcpy(&frame[kIpDestination], group, 16);
  std::memcpy(&frame[kIcmpTarget], address.bytes, 16);
  finish_checksum(frame);
}

bool parse_neighbour(Bytes frame, Claim& out) noexcept {
  if (frame.size() < kSolicitationFrameBytes) return false;
  if (std::memcmp(&frame[12], kEtherTypeIpv6, 2) != 0 || frame[kIp] >> 4 != 6) return false;
  if (frame[kIpNextHeader] != kNextHeaderIcmp || frame[kIpHopLimit] != kHopLimit) return false;
  const size_t payload = size_t{frame[kIpPayloadLength]} << 8 | frame[kIpPayloadLength + 1];
  if (payload < kIcmpOptions - kIcmp || payload > frame.size() - kIcmp) return false;
  const uint8_t type = frame[kIcmp];
  if (frame[kIcmp + 1] != 0) return false;
  const bool from_nowhere = is_zero(frame.subspan(kIpSource, 16));
  if (type != kTypeAdvertisement && !(type == kTypeSolicitation && from_nowhere)) return false;
  out = Claim{};
  out.family = 6;
  out.asks = type == kTypeSolicitation;
  std::memcpy(out.address.bytes, &frame[kIcmpTarget], 16);
  std::memcpy(out.mac.bytes, &frame[6], 6);
  if (!out.asks) {
    const size_t options_bytes = payload - (kIcmpOptions - kIcmp);
    (void)find_target_mac(frame.subspan(kIcmpOptions, options_bytes), out.mac);
  }
  return !is_zero(frame.subspan(kIcmpTarget, 16)) && !is_zero(Bytes(out.mac.bytes, 6));
}

}  // namespace twinbeat::net
