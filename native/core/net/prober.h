// Asks the neighbours whether an address is free before it is taken: ARP probes, neighbour
// solicitations from `::`. Bounded in time and number; an answer ends it early. Netlink thread
// only. A takeover after a death does not ask: the dead owner cannot answer and time counts.
#pragma once

#include <array>

#include "core/net/address_conflict.h"
#include "core/net/announcer.h"

namespace twinbeat::net {

inline constexpr size_t kProbesMax = kBatchStepsMax;
// Three questions, RFC 5227's number, spread over the time the caller allows.
inline constexpr uint32_t kProbeQuestions = 3;

struct ProbeResult {
  uint32_t ticket = 0;
  bool conflict = false;
  Mac mac{};
};

class Prober {
 public:
  explicit Prober(FrameSender& sender) noexcept : sender_(sender) {}

  // False when too many run or the interface cannot ask: the answer is then "free".
  [[nodiscard]] bool start(uint32_t ticket, uint8_t family, const Address& address,
                           const InterfaceRecord& interface, Micros window, Micros now) noexcept;
  void claim_heard(const HeardClaim& heard) noexcept;
  // Sends what is due. One finished probe at a time; false when none is finished.
  [[nodiscard]] bool next_finished(Micros now, ProbeResult& out) noexcept;
  [[nodiscard]] Micros next_deadline() const noexcept;
  void collect(WantedList& out) const noexcept;
  void clear() noexcept { probes_.clear(); }
  [[nodiscard]] size_t size() const noexcept { return probes_.size(); }

 private:
  struct Probe {
    uint32_t ticket = 0;
    Address address{};
    uint8_t family = 0;
    bool conflict = false;
    Mac mac{};
    uint32_t ifindex = 0;
    uint32_t sent = 0;
    Micros started_at = 0;
    Micros window = 0;
    uint16_t frame_bytes = 0;
    std::array<uint8_t, kSolicitationFrameBytes> frame{};
  };

  [[nodiscard]] static Micros due_at(const Probe& probe) noexcept;

  FrameSender& sender_;
  FixedVector<Probe, kProbesMax> probes_;
};

}  // namespace twinbeat::net
