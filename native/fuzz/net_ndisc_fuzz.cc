// Received neighbour discovery frames.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "core/net/ndisc.h"

using namespace twinbeat::net;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Claim claim;
  if (!parse_neighbour(Bytes(data, size), claim)) return 0;
  uint8_t frame[kAdvertisementFrameBytes];
  Claim again;
  bool parsed = false;
  if (claim.asks) {
    encode_duplicate_solicitation(std::span(frame).first<kSolicitationFrameBytes>(), claim.mac,
                                  claim.address);
    parsed = parse_neighbour(Bytes(frame, kSolicitationFrameBytes), again);
  } else {
    encode_unsolicited_advertisement(frame, claim.mac, claim.address, {false});
    parsed = parse_neighbour(Bytes(frame, sizeof(frame)), again);
  }
  if (!parsed || again.asks != claim.asks || !same_mac(again.mac, claim.mac)) std::abort();
  if (!same_address(6, again.address, claim.address)) std::abort();
  return 0;
}
