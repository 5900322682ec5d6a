// Received ARP frames, and the steps of a batch as an owner without care might send them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "core/net/garp.h"
#include "core/net/step_record.h"

using namespace twinbeat::net;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Claim claim;
  if (parse_arp(Bytes(data, size), claim)) {
    // What was understood can be said again in our own words.
    uint8_t frame[kArpFrameBytes];
    Claim again;
    if (claim.asks) {
      encode_arp_probe(frame, claim.mac, claim.address);
    } else {
      encode_gratuitous_arp(frame, ArpForm::kReply, claim.mac, claim.address);
    }
    if (!parse_arp(frame, again)) std::abort();
    if (again.asks != claim.asks || !same_mac(again.mac, claim.mac)) std::abort();
    if (!same_address(4, again.address, claim.address)) std::abort();
  }
  if (size >= sizeof(AddressStep)) {
    AddressStep step;
    std::memcpy(static_cast<void*>(&step), data, sizeof(step));
    if (validate_step(step) == 0) {
      const InterfaceRecord interface{};
      const AddressRecord record = record_of_step(step, interface);
      if (!is_terminated(record.label, sizeof(record.label))) std::abort();
    }
  }
  return 0;
}
