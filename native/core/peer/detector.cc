#include "core/peer/detector.h"

#include <algorithm>

namespace twinbeat {

Micros dead_time_on(const Peer& peer, std::size_t link, const DetectorTiming& timing) noexcept {
  Micros bound = 0;
  if (peer.kind == NodeKind::kPing) {
    bound = timing.deadping;
  } else {
    const Micros announced = peer.announced_us > 0 ? peer.announced_us : timing.deadtime;
    bound = std::max(announced, timing.link_dead[link]);
  }
  return timing.started ? bound : std::max(bound, timing.initdead);
}

Micros dead_at(const Peer& peer, const DetectorTiming& timing) noexcept {
  Micros latest = 0;
  for (std::size_t i = 0; i < timing.links; ++i) {
    if (peer.links[i].status_at == 0) continue;
    latest = std::max(latest, peer.links[i].status_at + dead_time_on(peer, i, timing));
  }
  if (latest == 0) {
    // Never heard, or heard only on links that are no longer configured.
    const Micros since = std::max(peer.watched_since, peer.status_at);
    const bool ping = peer.kind == NodeKind::kPing;
    latest = since + (ping ? std::max(timing.deadping, timing.started ? 0 : timing.initdead)
                           : std::max(timing.initdead, timing.deadtime));
  }
  return std::max(latest, peer.not_dead_before);
}

Micros late_at(const Peer& peer, const DetectorTiming& timing) noexcept {
  // On a slow line a heartbeat comes only every link interval; that alone is not lateness.
  Micros fastest = kNever;
  for (std::size_t i = 0; i < timing.links; ++i) {
    if (peer.links[i].state != LinkState::kUp) continue;
    fastest = std::min(fastest, timing.link_interval[i]);
  }
  Micros bound = timing.warntime;
  if (fastest != kNever) bound = std::max(bound, fastest + fastest / 2);
  return std::max(peer.status_at, timing.resumed_at) + bound;
}

namespace {

Micros link_down_at(const Peer& peer, std::size_t link, const DetectorTiming& timing) noexcept {
  return std::max(peer.links[link].heard_at, timing.resumed_at) + dead_time_on(peer, link, timing);
}

}  // namespace

Micros next_judgement(const Peer& peer, const DetectorTiming& timing) noexcept {
  Micros next = kNever;
  for (std::size_t i = 0; i < timing.links; ++i) {
    if (peer.links[i].state == LinkState::kUp) next = std::min(next, link_down_at(peer, i, timing));
  }
  if (peer.self) return next;
  if (peer.state != PeerState::kDead) next = std::min(next, dead_at(peer, timing));
  if (peer.state == PeerState::kUp && peer.kind == NodeKind::kNormal) {
    next = std::min(next, late_at(peer, timing));
  }
  return next;
}

void judge(Peer& peer, const DetectorTiming& timing, Micros now, DetectorSink& sink) noexcept {
  for (std::size_t i = 0; i < timing.links; ++i) {
    PeerLink& link = peer.links[i];
    if (link.state != LinkState::kUp || now < link_down_at(peer, i, timing)) continue;
    link.state = LinkState::kDown;
    sink.peer_link_down(peer, i, now - link.heard_at);
  }
  if (peer.self || peer.state == PeerState::kDead) return;
  const Micros silent = now - std::max(peer.status_at, peer.state == PeerState::kNever ? peer.watched_since : 0);
  if (const Micros due = dead_at(peer, timing); now >= due) {
    peer.state = PeerState::kDead;
    peer.dead_due = due;
    peer.dead_since = now;
    peer.status.assign("dead");
    sink.peer_dead(peer, silent);
    return;
  }
  if (peer.state == PeerState::kUp && peer.kind == NodeKind::kNormal && now >= late_at(peer, timing)) {
    peer.state = PeerState::kLate;
    sink.peer_late(peer, silent);
  }
}

void excuse(Peer& peer, const DetectorTiming& timing, Micros pause, Micros now) noexcept {
  if (peer.self || peer.state == PeerState::kDead) return;
  Micros full = peer.kind == NodeKind::kPing ? timing.deadping : timing.deadtime;
  for (std::size_t i = 0; i < timing.links; ++i) {
    if (peer.links[i].status_at != 0) full = std::max(full, dead_time_on(peer, i, timing));
  }
  peer.not_dead_before = std::min(dead_at(peer, timing) + pause, now + full);
  peer.excused_at = now;
}

Micros wait_for(Peer& peer, const DetectorTiming& timing, Micros most, Micros now) noexcept {
  if (peer.self || !peer.is_live()) return 0;
  // The least of its links: a status on any of them ends this wait, and begins a dead time that is at least as long.
  Micros least = kNever;
  for (std::size_t i = 0; i < timing.links; ++i) {
    if (peer.links[i].status_at != 0) least = std::min(least, dead_time_on(peer, i, timing));
  }
  if (least == kNever) return 0;
  const Micros until = std::min(now + least, peer.status_at + most);
  if (until <= now) return 0;
  // Also where something else is later still just now: that may end, and a word is kept.
  peer.not_dead_before = std::max(peer.not_dead_before, until);
  peer.excused_at = now;
  return until - now;
}

}  // namespace twinbeat
