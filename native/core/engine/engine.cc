#include "core/engine/engine.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace twinbeat {

namespace {

constexpr Micros kReopenAfter = kMicrosPerSecond;
// Bounded work: rounds of one batch per link before silence is judged anyway.
constexpr int kDrainRounds = 64;
// A real node raises its announced dead time by this much while it is starting.
constexpr Micros kStartExtra = 2 * kMicrosPerSecond;
constexpr Micros kStartExtraFor = 5 * kMicrosPerSecond;
// Own lateness that is not taken off the silence of others: what a good machine does all day.
constexpr Micros kStallLeast = 500;
constexpr Micros kStallMost = kMicrosPerSecond;
// What a busy machine does all day is no news.
constexpr Micros kStallWorthTelling = 20 * kMicrosPerMilli;
// A dead time of milliseconds makes every hiccup of a busy machine a late heartbeat.
// Longer dead times outlast what one processor stands still.
constexpr Micros kRescueBelow = 50 * kMicrosPerMilli;
constexpr Micros kRescueLeast = 500;
constexpr Micros kLateTellEvery = kMicrosPerSecond;

}  // namespace

Engine::Engine(EnginePort& port, const Options& options)
    : port_(port),
      publisher_(port),
      options_(options),
      prng_(options.seed),
      peers_(std::make_unique<PeerTable>()),
      takeover_(*port.board, publisher_, options.steps),
      receive_arena_(std::make_unique<ReceiveArena>()),
      message_arena_(new std::uint8_t[kMaxMessageBytes]()),
      compose_arena_(new std::uint8_t[kMaxMessageBytes]()),
      netstring_(new std::uint8_t[kMaxMessageBytes]()),
      classic_(new std::uint8_t[2 * kMaxMessageBytes]()),
      command_(new std::uint8_t[port.commands.capacity()]()) {}

Engine::~Engine() = default;

std::array<Bytes, 9> Engine::memory() const noexcept {
  const auto whole = [](const auto& object) {
    return Bytes{reinterpret_cast<const std::uint8_t*>(&object), sizeof(object)};
  };
  return {whole(*this),
          whole(*peers_),
          whole(*receive_arena_),
          Bytes{message_arena_.get(), kMaxMessageBytes},
          Bytes{compose_arena_.get(), kMaxMessageBytes},
          Bytes{netstring_.get(), kMaxMessageBytes},
          Bytes{classic_.get(), 2 * kMaxMessageBytes},
          history_.memory(),
          whole(*port_.board)};
}

void Engine::do_work(const Cycle& cycle) noexcept {
  current_ = cycle;
  port_.count(Counter::kCycles);
  const Micros planned = planned_at_;
  tell_owed_pause();
  const bool paused = notice_pause(cycle);
  // A mark counts only when everything that was said before it is known.
  if (!asking()) {
    takeover_.note_marks();
    run_commands(cycle);
  }
  if (setup_ != nullptr) {
    tend_links(cycle);
    const Micros heard_until = drain_links(cycle);
    if (running_) {
      if (paused) excuse_all(planned, cycle.now);
      judge_all(heard_until);
      if (asking()) settle_pause();
      tell_gasps();
      takeover_.work(scene(), *this);
      if (!muted_) {
        send_heartbeats(cycle);
        request_missing(cycle);
      }
    }
    for (std::size_t i = 0; i < link_count_; ++i) links_[i].link->flush(cycle);
  }
  planned_at_ = next_deadline();
}

Micros Engine::stall_limit() const noexcept {
  return std::clamp(setup_->timing.deadtime / 10, kStallLeast, kStallMost);
}

// Noticed and mended within two of these, and a heartbeat that was due one interval after the last is still in time.
Micros Engine::rescue_after() const noexcept {
  if (setup_ == nullptr || !running_ || setup_->timing.deadtime > kRescueBelow) return 0;
  return std::max(setup_->timing.deadtime / 5, kRescueLeast);
}

Micros Engine::stall_worth_telling() const noexcept { return std::max(stall_limit(), kStallWorthTelling); }

// True: longer than what is not worth taking off the silence of others.
bool Engine::notice_pause(const Cycle& cycle) noexcept {
  if (!running_ || planned_at_ == 0 || planned_at_ >= kNever) return false;
  const Micros late = cycle.now - planned_at_;
  if (late <= 0) return false;
  lateness_ = std::max(lateness_, late);
  lateness_seen_.add(late);
  port_.raise(Counter::kLatenessMaxUs, static_cast<std::uint64_t>(late));
  if (late <= stall_limit()) return false;
  if (late <= stall_worth_telling()) return true;
  port_.count(Counter::kStalls);
  timing_.resumed_at = cycle.now;
  if (setup_->mute_after_pause && !muted_ && late > announced_dead_time(planned_at_)) {
    overslept(planned_at_, late);
  } else {
    asking_until_ = 0;  // two in a row: what it was told meanwhile is too old
    pause_us_ = late;
    static_cast<void>(tell_pause(muted_ ? kFlagMuted : std::uint8_t{0}));
  }
  return true;
}

// After everything was read: what arrived meanwhile ends the silence before it, and only the rest of the pause is taken
// off the silence after it.
void Engine::excuse_all(Micros planned, Micros now) noexcept {
  for (Peer& peer : peers_->all()) {
    if (const Micros pause = now - std::max(planned, peer.status_at); pause > 0) excuse(peer, timing_, pause, now);
  }
}

Micros Engine::announced_dead_time(Micros now) const noexcept {
  const Micros starting = now - conversation_at_ < kStartExtraFor ? kStartExtra : 0;
  return setup_->announced_dead_time() + starting + extra_dead_us_;
}

void Engine::report_link(std::size_t index, bool open, int error, Micros now) noexcept {
  LinkPlace& place = links_[index];
  place.error = error;
  if (place.reported_open == open && (open || place.retry_at != 0)) return;
  place.reported_open = open;
  publisher_.publish({.type = RecordType::kLinkState,
                      .at = now,
                      .flags = open ? kFlagOpen : std::uint8_t{0},
                      .number = error,
                      .link = place.link->spec().name.view()});
}

void Engine::open_link(std::size_t index, const Cycle& cycle) noexcept {
  LinkPlace& place = links_[index];
  const int error = place.link->open();
  ++links_version_;
  // An interface that is down accepts a socket but no packet: only the next send tells whether it is back.
  if (error != 0 || !place.failing) report_link(index, error == 0, error, cycle.now);
  place.retry_at = cycle.now + kReopenAfter;
}

void Engine::tend_links(const Cycle& cycle) noexcept {
  if (!running_) return;
  for (std::size_t i = 0; i < link_count_; ++i) {
    LinkPlace& place = links_[i];
    if (place.link->is_open() && !place.failing) {
      place.retry_at = 0;
      continue;
    }
    if (!place.link->is_open() && place.reported_open) {  // it closed itself while reading
      report_link(i, false, place.link->last_error(), cycle.now);
      place.retry_at = cycle.now + kReopenAfter;
      ++links_version_;
    }
    if (cycle.now >= place.retry_at) open_link(i, cycle);
  }
}

// Before somebody is judged every link is read, whatever epoll said: what lies in the socket is evidence of life. A
// flood that cannot be read to its end is read up to some moment, and nobody is judged beyond that one.
Micros Engine::drain_links(const Cycle& cycle) noexcept {
  std::uint64_t left = judgement_is_due(cycle.now) ? ~std::uint64_t{0} : cycle.readable;
  for (int round = 0; left != 0 && round < kDrainRounds; ++round) {
    std::uint64_t more = 0;
    for (std::size_t i = 0; i < link_count_; ++i) {
      Link& link = *links_[i].link;
      if ((left >> i & 1) == 0 || !link.is_open()) continue;
      draining_ = i;
      current_at_ = cycle.now;
      const bool again = link.receive(*this, cycle, *receive_arena_) && link.is_open();
      if (again) more |= std::uint64_t{1} << i;
      if (again) links_[i].read_until = current_at_;
    }
    left = more;
  }
  Micros until = cycle.now;
  for (std::size_t i = 0; left != 0 && i < link_count_; ++i) {
    if ((left >> i & 1) != 0) until = std::min(until, links_[i].read_until);
  }
  return until;
}

bool Engine::judgement_is_due(Micros now) const noexcept {
  return std::any_of(std::as_const(*peers_).all().begin(), std::as_const(*peers_).all().end(),
                     [&](const Peer& peer) { return next_judgement(peer, timing_) <= now; });
}

void Engine::judge_all(Micros until) noexcept {
  for (Peer& peer : peers_->all()) judge(peer, timing_, until, *this);
}

// Heartbeats may be among what the socket had no room for: one more of them is waited for, once.
void Engine::notice_overflow(const Origin& origin) noexcept {
  LinkPlace& place = links_[draining_];
  if (origin.dropped == place.dropped) return;
  place.dropped = origin.dropped;
  if (origin.dropped == 0 || overflow_excused_) return;
  overflow_excused_ = true;
  for (Peer& peer : peers_->all()) excuse(peer, timing_, setup_->timing.keepalive, current_.now);
}

bool Engine::only_twinbeat_listens() const noexcept {
  bool somebody = false;
  for (const Peer& peer : std::as_const(*peers_).all()) {
    if (!peer.is_normal_other() || !peer.is_live()) continue;
    if (!peer.twinbeat) return false;
    somebody = true;
  }
  return somebody;
}

void Engine::update_timing() noexcept {
  const Timing& timing = setup_->timing;
  timing_.warntime = timing.warntime;
  timing_.deadtime = timing.deadtime;
  timing_.initdead = timing.initdead;
  timing_.deadping = timing.deadping;
  timing_.links = link_count_;
  for (std::size_t i = 0; i < link_count_; ++i) {
    timing_.link_dead[i] = links_[i].dead_time;
    timing_.link_interval[i] = links_[i].interval;
  }
}

// Every heartbeat takes a sequence number, and a number that never reaches the peer is asked for again. So when only
// slow lines are left, the whole node beats at the pace that they can carry.
Micros Engine::heartbeat_interval() const noexcept {
  Micros fastest_up = kNever;
  Micros fastest = kNever;
  for (std::size_t i = 0; i < link_count_; ++i) {
    if (links_[i].link->spec().is_ping()) continue;
    fastest = std::min(fastest, links_[i].interval);
    for (const Peer& peer : peers_->all()) {
      if (peer.is_normal_other() && peer.links[i].state == LinkState::kUp) {
        fastest_up = std::min(fastest_up, links_[i].interval);
      }
    }
  }
  if (fastest_up != kNever) return fastest_up;
  return fastest == kNever ? setup_->timing.keepalive : fastest;
}

Micros Engine::next_deadline() const noexcept {
  if (setup_ == nullptr || !running_) return kNever;
  Micros next = std::min(muted_ ? kNever : next_beat_at_, takeover_.next_deadline());
  if (asking()) next = std::min(next, ask_again_at_ == 0 ? asking_until_ : ask_again_at_);
  for (const Peer& peer : peers_->all()) {
    next = std::min(next, next_judgement(peer, timing_));
    if (!muted_ && peer.may_be_asked()) next = std::min(next, next_request(peer.sequence.missing()));
  }
  for (std::size_t i = 0; i < link_count_; ++i) {
    const LinkPlace& place = links_[i];
    if (!place.link->is_open() || place.failing) next = std::min(next, place.retry_at);
    next = std::min(next, place.link->flush_at());
  }
  return next;
}

void Engine::peer_late(const Peer& peer, Micros silent) noexcept {
  if (current_.now < late_told_at_ + kLateTellEvery && setup_->timing.warntime < kLateTellEvery / 2) return;
  late_told_at_ = current_.now;
  publisher_.publish({.type = RecordType::kPeerLate,
                      .at = current_.now,
                      .generation = peer.sequence.generation(),
                      .value_us = silent,
                      .node = peer.name.view()});
}

void Engine::peer_dead(const Peer& peer, Micros silent) noexcept {
  std::array<std::uint8_t, kMaxLinks*(1 + kMaxNodeNameBytes + 8)> body;
  std::size_t size = 0;
  for (std::size_t i = 0; i < link_count_; ++i) {
    const PeerLink& link = peer.links[i];
    if (link.state == LinkState::kNever) continue;
    const std::string_view name = links_[i].link->spec().name.view();
    const std::int64_t silence = current_.now - link.heard_at;
    body[size++] = static_cast<std::uint8_t>(name.size());
    std::memcpy(&body[size], name.data(), name.size());
    size += name.size();
    std::memcpy(&body[size], &silence, sizeof(silence));
    size += sizeof(silence);
  }
  publisher_.publish({.type = RecordType::kPeerDead,
                      .at = current_.now,
                      .flags = peer.kind == NodeKind::kPing ? kFlagPing : std::uint8_t{0},
                      .generation = peer.sequence.generation(),
                      .value_us = silent,
                      .node = peer.name.view(),
                      .body = Bytes{body.data(), size}});
}

void Engine::peer_link_down(const Peer& peer, std::size_t link, Micros silent) noexcept {
  publisher_.publish({.type = RecordType::kLinkDown,
                      .at = current_.now,
                      .value_us = silent,
                      .node = peer.name.view(),
                      .link = links_[link].link->spec().name.view()});
}

}  // namespace twinbeat
