#include "core/net/garp.h"

#include <algorithm>
#include <cstring>

namespace twinbeat::net {
namespace {

constexpr uint8_t kEtherTypeArp[2] = {0x08, 0x06};
constexpr size_t kEtherHeader = 14;
// Offsets inside the frame.
constexpr size_t kOperation = kEtherHeader + 6;
constexpr size_t kSenderMac = kEtherHeader + 8;
constexpr size_t kSenderAddress = kEtherHeader + 14;
constexpr size_t kTargetMac = kEtherHeader + 18;
constexpr size_t kTargetAddress = kEtherHeader + 24;
// Hardware Ethernet, protocol IPv4, address lengths 6 and 4.
constexpr uint8_t kArpFixed[6] = {0x00, 0x01, 0x08, 0x00, 6, 4};
constexpr uint8_t kOperationRequest = 1;
constexpr uint8_t kOperationReply = 2;

void encode_common(std::span<uint8_t, kArpFrameBytes> frame, uint8_t operation,
                   const Mac& mac) noexcept {
  std::fill(frame.begin(), frame.end(), uint8_t{0});
  std::fill_n(frame.begin(), 6, uint8_t{0xff});
  std::memcpy(&frame[6], mac.bytes, 6);
  std::memcpy(&frame[12], kEtherTypeArp, 2);
  std::memcpy(&frame[kEtherHeader], kArpFixed, sizeof(kArpFixed));
  frame[kOperation + 1] = operation;
  std::memcpy(&frame[kSenderMac], mac.bytes, 6);
}

bool is_zero(const uint8_t* bytes, size_t count) noexcept {
  return std::all_of(bytes, bytes + count, [](uint8_t byte) { return byte == 0; });
}

}  // namespace

void encode_gratuitous_arp(std::span<uint8_t, kArpFrameBytes> frame, ArpForm form, const Mac& mac,
                           const Address& address) noexcept {
  const bool reply = form == ArpForm::kReply;
  encode_common(frame, reply ? kOperationReply : kOperationRequest, mac);
  std::memcpy(&frame[kSenderAddress], address.bytes, 4);
  std::memcpy(&frame[kTargetAddress], address.bytes, 4);
  if (reply) std::memcpy(&frame[kTargetMac], mac.bytes, 6);
}

void encode_arp_probe(std::span<uint8_t, kArpFrameBytes> frame, const Mac& mac,
                      const Address& address) noexcept {
  encode_common(frame, kOperationRequest, mac);
  std::memcpy(&frame[kTargetAddress], address.bytes, 4);
}

bool parse_arp(Bytes frame, Claim& out) noexcept {
  if (frame.size() < kArpFrameBytes) return false;
  if (std::memcmp(&frame[12], kEtherTypeArp, 2) != 0) return false;
  if (std::memcmp(&frame[kEtherHeader], kArpFixed, sizeof(kArpFixed)) != 0) return false;
  const uint8_t operation = frame[kOperation + 1];
  if (frame[kOperation] != 0) return false;
  if (operation != kOperationRequest && operation != kOperationReply) return false;
  out = Claim{};
  out.family = 4;
  std::memcpy(out.mac.bytes, &frame[kSenderMac], 6);
  out.asks = is_zero(&frame[kSenderAddress], 4);
  if (out.asks && operation != kOperationRequest) return false;
  std::memcpy(out.address.bytes, &frame[out.asks ? kTargetAddress : kSenderAddress], 4);
  return !is_zero(out.address.bytes, 4) && !is_zero(out.mac.bytes, 6);
}

}  // namespace twinbeat::net
