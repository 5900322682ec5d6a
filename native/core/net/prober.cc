#include "core/net/prober.h"

#include <algorithm>

namespace twinbeat::net {

bool Prober::start(uint32_t ticket, uint8_t family, const Address& address,
                   const InterfaceRecord& interface, Micros window, Micros now) noexcept {
  if (!sender_.is_open() || !can_announce(interface) || !is_running(interface)) return false;
  Probe probe;
  probe.ticket = ticket;
  probe.family = family;
  probe.address = address;
  probe.ifindex = interface.ifindex;
  probe.started_at = now;
  probe.window = window;
  if (family == 4) {
    probe.frame_bytes = kArpFrameBytes;
    encode_arp_probe(std::span(probe.frame).first<kArpFrameBytes>(), interface.mac, address);
  } else {
    probe.frame_bytes = kSolicitationFrameBytes;
    encode_duplicate_solicitation(probe.frame, interface.mac, address);
  }
  return probes_.push_back(probe) == Status::kOk;
}

// The next question, or the end of the wait after the last one.
Micros Prober::due_at(const Probe& probe) noexcept {
  return probe.started_at + probe.window * probe.sent / kProbeQuestions;
}

void Prober::claim_heard(const HeardClaim& heard) noexcept {
  for (Probe& probe : probes_) {
    if (probe.family != heard.claim.family || probe.ifindex != heard.ifindex) continue;
    if (!same_address(probe.family, probe.address, heard.claim.address)) continue;
    probe.conflict = true;  // also when the other one only asks: both want it, both step back
    probe.mac = heard.claim.mac;
  }
}

bool Prober::next_finished(Micros now, ProbeResult& out) noexcept {
  for (size_t i = 0; i < probes_.size(); ++i) {
    Probe& probe = probes_[i];
    if (!probe.conflict && probe.sent < kProbeQuestions && due_at(probe) <= now) {
      (void)sender_.send(probe.ifindex, Bytes(probe.frame.data(), probe.frame_bytes));
      ++probe.sent;
    }
    const bool waited = probe.sent == kProbeQuestions && now - probe.started_at >= probe.window;
    if (!probe.conflict && !waited) continue;
    out = ProbeResult{probe.ticket, probe.conflict, probe.mac};
    probes_[i] = probes_[probes_.size() - 1];
    probes_.erase(probes_.size() - 1);
    return true;
  }
  return false;
}

Micros Prober::next_deadline() const noexcept {
  Micros next = kNever;
  for (const Probe& probe : probes_) next = std::min(next, due_at(probe));
  return next;
}

void Prober::collect(WantedList& out) const noexcept {
  for (const Probe& probe : probes_) {
    (void)out.push_back(WantedAddress{probe.address, probe.family});
  }
}

}  // namespace twinbeat::net
