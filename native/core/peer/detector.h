// Who is silent for how long, and what follows from it. Pure: `now` is an argument, nothing is kept but what stands in
// the peers. Judged by fresh *status* messages only: a peer is dead when every link that ever carried one has been
// silent for that link's own dead time. Call judge() only after the links were drained.
#pragma once

#include <array>

#include "core/peer/peer_table.h"

namespace twinbeat {

struct DetectorTiming {
  Micros warntime = 0;
  Micros deadtime = 0;
  Micros initdead = 0;
  Micros deadping = 0;
  bool started = false;                            // false: initdead counts for everybody
  Micros resumed_at = 0;                           // end of our own last pause
  std::array<Micros, kMaxLinks> link_dead{};       // each link's own bound
  std::array<Micros, kMaxLinks> link_interval{};
  std::size_t links = 0;
};

class DetectorSink {
 public:
  virtual void peer_late(const Peer& peer, Micros silent) noexcept = 0;
  virtual void peer_dead(const Peer& peer, Micros silent) noexcept = 0;
  virtual void peer_link_down(const Peer& peer, std::size_t link, Micros silent) noexcept = 0;

 protected:
  ~DetectorSink() = default;
};

// How long this peer may be silent on that link.
[[nodiscard]] Micros dead_time_on(const Peer& peer, std::size_t link, const DetectorTiming& timing) noexcept;
// The moment from which the peer counts as dead if nothing more is heard.
[[nodiscard]] Micros dead_at(const Peer& peer, const DetectorTiming& timing) noexcept;
// The moment from which it counts as late.
[[nodiscard]] Micros late_at(const Peer& peer, const DetectorTiming& timing) noexcept;
// The earliest moment at which judge() could have something to say; a far future if never.
[[nodiscard]] Micros next_judgement(const Peer& peer, const DetectorTiming& timing) noexcept;

void judge(Peer& peer, const DetectorTiming& timing, Micros now, DetectorSink& sink) noexcept;

// We did not run from `now - pause` to `now`: nobody could be heard, so that time is not silence.
void excuse(Peer& peer, const DetectorTiming& timing, Micros pause, Micros now) noexcept;

// It stands, and asks us to wait: for a dead time of it, and never beyond `most` of silence. How long that is from now; 0:
// not at all. No later judgement comes before.
[[nodiscard]] Micros wait_for(Peer& peer, const DetectorTiming& timing, Micros most, Micros now) noexcept;

inline constexpr Micros kNever = INT64_MAX / 4;

}  // namespace twinbeat
