// A node that stands still for a moment, and goes on. While it stands a watcher asks the others to wait
// (stand_voice.h); when it goes on after longer than they may have waited it asks them itself, before it says
// anything else. Whoever does not hold the asking node for dead answers for how long it will wait, and keeps to that.
// A wait only ever puts off a death; none is granted beyond kStandMost of silence.
#include <algorithm>
#include <utility>

#include "core/engine/engine.h"
#include "core/engine/stand_voice.h"

namespace twinbeat {

namespace {

constexpr std::string_view kWaitSpan = "tb_wait";
constexpr std::string_view kWaitLife = "tb_gen";
constexpr std::size_t kSmallArena = 2048;
constexpr std::uint64_t kStampMax = INT64_MAX / 4;
// Who would answer does so at once: longer than this nobody is asked, since addresses are not released meanwhile.
constexpr Micros kAskLeast = kMicrosPerMilli;
constexpr Micros kAskMost = 5 * kMicrosPerMilli;
constexpr Micros kOnTheWay = 500;

}  // namespace

// Nobody who holds us for dead answers; and a real node would not know the words, nor one of ours that is older.
bool Engine::can_ask() const noexcept {
  if (silent_ || !only_twinbeat_listens()) return false;
  const auto all = std::as_const(*peers_).all();
  return std::none_of(all.begin(), all.end(), [](const Peer& peer) {
    return peer.is_normal_other() && (peer.state == PeerState::kDead || (peer.is_live() && !peer.waits));
  });
}

// Beyond the dead time that we announced the others may hold us for dead: then the old generation must not be heard
// again. Until that is known nothing but the question is said, and nothing that is heard is acted upon.
void Engine::overslept(Micros planned, Micros late) noexcept {
  muted_ = true;
  pause_us_ = late;
  // What the owner does not know of would be acted upon.
  if (late > kStandMost || !can_ask() || !tell_pause(kFlagAsking)) {
    static_cast<void>(tell_pause(kFlagMuted));
    return;
  }
  for (Peer& peer : peers_->all()) peer.waits_until = 0;
  const Micros span = std::clamp(setup_->announced_dead_time() / 4, kAskLeast, kAskMost);
  asked_from_ = planned;
  asking_until_ = current_.now + span;
  ask_again_at_ = current_.now + span / 2;
  ask_for_us();
}

void Engine::ask_for_us() noexcept {
  std::array<std::uint8_t, kSmallArena> arena;
  Message message(arena);
  const bool ok = compose_stand(message) &&
                  message.add_hex(kStandStamp, static_cast<std::uint64_t>(current_.now)) == Status::kOk;
  if (!ok) return;
  port_.count(Counter::kStands);
  complete_and_send(message, false, current_);
}

void Engine::settle_pause() noexcept {
  const bool waited = everybody_waits();
  if (!waited && current_.now < asking_until_ && can_ask()) {
    if (ask_again_at_ == 0 || current_.now < ask_again_at_) return;
    ask_again_at_ = 0;
    return ask_for_us();
  }
  asking_until_ = 0;
  if (waited) muted_ = false;
  static_cast<void>(tell_pause(muted_ ? kFlagMuted : std::uint8_t{0}));
}

// The next heartbeat has to arrive before the wait is over, even if one of them is lost.
bool Engine::everybody_waits() const noexcept {
  if (!can_ask()) return false;
  const Micros needed = current_.now + heartbeat_interval() + kOnTheWay;
  const auto all = std::as_const(*peers_).all();
  return std::all_of(all.begin(), all.end(), [&](const Peer& peer) {
    return !peer.is_normal_other() || !peer.is_live() || needed < peer.waits_until;
  });
}

bool Engine::tell_pause(std::uint8_t flags) noexcept {
  const bool told = publisher_.publish({.type = RecordType::kStall, .at = current_.now, .flags = flags, .value_us = pause_us_});
  pause_owed_.reset();
  if (!told && flags != kFlagAsking) pause_owed_ = flags;
  return told;
}

void Engine::tell_owed_pause() noexcept {
  if (pause_owed_) static_cast<void>(tell_pause(*pause_owed_));
}

bool Engine::compose_stand(Message& message) const noexcept {
  return message.add_text("t", kStandType) == Status::kOk;
}

StandState Engine::stand_state() const noexcept {
  const bool may = running_ && !muted_ && rescue_after() > 0 && can_ask();
  if (!may) return {};
  return {.may = true, .revision = setup_->revision, .generation = generation_, .links = links_version_};
}

bool Engine::prepare_stand(StandVoice& voice) noexcept {
  if (!stand_state().may) return voice.try_hush();
  Message message({compose_arena_.get(), kMaxMessageBytes});
  if (!compose_stand(message) || !complete(message, false, current_)) return voice.try_hush();
  const Encoded words =
      encode_netstring(message, setup_->keyring, InnerAuth::kAdd, {netstring_.get(), kMaxMessageBytes});
  if (words.status != Status::kOk) return voice.try_hush();
  std::array<StandWay, kMaxLinks> ways{};
  std::size_t count = 0;
  for (std::size_t i = 0; i < link_count_; ++i) {
    const Link& link = *links_[i].link;
    if (link.last_words_target(ways[count].target)) ways[count++].fd = link.fd();
  }
  return voice.prepare(words.bytes, setup_->keyring, {ways.data(), count});
}

// Each stamp counts once: the copies on other links, and what somebody recorded, say nothing.
void Engine::receive_stand(Peer& peer, const Message& message) noexcept {
  if (!peer.is_normal_other() || !peer.twinbeat || !peer.sequence.heard() || !peer.is_live()) return;
  const auto stamp = message.hex(kStandStamp);
  if (!stamp || *stamp > kStampMax) return reject(RejectReason::kField);
  if (*stamp <= peer.stand_stamp) return;
  peer.stand_stamp = *stamp;
  port_.count(Counter::kStandsHeard);
  const Micros wait = wait_for(peer, timing_, kStandMost, current_.now);
  // Who is mute holds its word back for its next generation; who only asks has one to give.
  if (wait <= 0 || silent_ || (muted_ && !asking())) return;
  std::array<std::uint8_t, kSmallArena> arena;
  Message answer(arena);
  const bool ok = answer.add_text("t", kWaitType) == Status::kOk &&
                  answer.add_text("dest", peer.name.view()) == Status::kOk &&
                  answer.add_hex(kWaitLife, peer.sequence.generation()) == Status::kOk &&
                  answer.add_hex(kStandStamp, *stamp) == Status::kOk &&
                  answer.add_hex(kWaitSpan, static_cast<std::uint64_t>(wait)) == Status::kOk;
  if (ok) complete_and_send(answer, false, current_);
}

// Counted from the moment at which we asked, by our own clock: so the wait is over here before it is over there.
void Engine::receive_wait(Peer& peer, const Message& message) noexcept {
  if (!peer.is_normal_other() || !peer.twinbeat) return;
  const auto life = message.hex(kWaitLife);
  const auto stamp = message.hex(kStandStamp);
  const auto span = message.hex(kWaitSpan);
  if (!life || !stamp || !span || *stamp > kStampMax || *span > static_cast<std::uint64_t>(kStandMost)) {
    return reject(RejectReason::kField);
  }
  const auto asked_at = static_cast<Micros>(*stamp);
  if (*life != generation_ || asked_at < asked_from_ || asked_at > std::max(current_.now, current_at_)) return;
  peer.waits_until = std::max(peer.waits_until, asked_at + static_cast<Micros>(*span));
}

}  // namespace twinbeat
