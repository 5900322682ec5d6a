// What the owner asks for, taken from the command ring at the beginning of a cycle.
#include <sched.h>

#include <algorithm>
#include <cstring>

#include "core/engine/engine.h"
#include "core/base/wire_reader.h"

namespace twinbeat {

namespace {

constexpr int kCommandsPerCycle = 64;
constexpr std::uint8_t kHeldAndLeaving = 2;

}  // namespace

void Engine::run_commands(const Cycle& cycle) noexcept {
  std::size_t size = 0;
  for (int i = 0; i < kCommandsPerCycle && port_.commands.front_size(size); ++i) {
    port_.commands.pop(command_.get());
    if (size > 0) run_command({command_.get(), size}, cycle);
  }
}

void Engine::run_command(Bytes command, const Cycle& cycle) noexcept {
  WireReader in(command.subspan(1));
  switch (static_cast<CommandType>(command[0])) {
    case CommandType::kConfigure: {
      const auto address = static_cast<std::uintptr_t>(in.u64());
      std::unique_ptr<Setup> setup(reinterpret_cast<Setup*>(address));
      if (setup != nullptr) apply_setup(std::move(setup), cycle);
      return;
    }
    case CommandType::kStart: start(cycle); return;
    case CommandType::kStop: {
      if (in.u8() != 0 && running_ && !muted_) {
        send_status(cycle, status_.view());
        send_status(cycle, status_.view());
      }
      for (std::size_t i = 0; i < link_count_; ++i) links_[i].link->close();
      running_ = false;
      stopped_ = true;
      takeover_.set_running(false);
      ++links_version_;
      return;
    }
    case CommandType::kStatus: {
      const auto extra = static_cast<Micros>(in.u64());
      const Bytes text = in.raw(in.remaining());
      if (!in.ok() || text.empty()) return;
      status_.assign(as_text(text));
      extra_dead_us_ = extra;
      if (Peer* self = peers_->self(); self != nullptr) self->status = status_;
      if (running_ && !muted_) send_status(cycle, status_.view());
      return;
    }
    case CommandType::kPhase: timing_.started = in.u8() != 0; return;
    case CommandType::kGeneration: {
      const std::uint64_t generation = in.u64();
      if (!in.ok() || generation <= generation_) return;
      generation_ = generation;
      if (running_) new_conversation(cycle);
      return;
    }
    case CommandType::kSend: send_command(command.subspan(1), cycle); return;
    case CommandType::kHolding: holding_command(command.subspan(1)); return;
    case CommandType::kFreeze: {
      const auto freeze = static_cast<Micros>(in.u64());
      const int policy = ::sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
      if (in.ok()) takeover_.set_freeze(freeze, policy == SCHED_FIFO);
      return;
    }
  }
}

void Engine::apply_setup(std::unique_ptr<Setup> setup, const Cycle& cycle) noexcept {
  if (setup_ != nullptr && setup->revision <= setup_->revision) return;
  std::array<LinkPlace, kMaxLinks> before;
  std::array<std::size_t, kMaxLinks> from;
  from.fill(kMaxLinks);
  std::swap(before, links_);
  const std::size_t count_before = link_count_;
  link_count_ = setup->links.size();
  for (std::size_t i = 0; i < link_count_; ++i) {
    LinkSpec& spec = setup->links[i];
    for (std::size_t j = 0; j < count_before && from[i] == kMaxLinks; ++j) {
      if (before[j].link == nullptr || !before[j].link->spec().same_as(spec)) continue;
      links_[i] = std::move(before[j]);
      from[i] = j;
    }
    if (from[i] == kMaxLinks) {
      links_[i].link = options_.factory(spec, options_.instance, options_.factory_context);
      spec.fd = -1;  // the link owns it now
    }
    links_[i].interval = link_interval(links_[i].link->spec(), setup->timing);
    links_[i].dead_time = link_dead_time(links_[i].link->spec(), setup->timing);
  }
  setup_ = std::move(setup);
  // Signed with keys that may be others by now, of nodes that may be gone.
  said_.forget();
  heard_.forget();
  peers_->configure(*setup_, std::span<const std::size_t>(from.data(), link_count_), cycle.now);
  for (Peer& peer : peers_->all()) {
    if (!peer.sequence.heard()) peer.ack_trigger = static_cast<std::uint8_t>(prng_.below(10));
  }
  update_timing();
  ++links_version_;
  count_anew(cycle.now);
  // Words signed with a key that is no longer ours would be heard by nobody.
  if (running_) takeover_.sign_all(scene(), *this);
}

void Engine::start(const Cycle& cycle) noexcept {
  if (running_ || setup_ == nullptr) return;
  running_ = true;
  stopped_ = false;
  planned_at_ = 0;
  for (Peer& peer : peers_->all()) peer.watched_since = cycle.now;
  timing_.resumed_at = cycle.now;
  count_anew(cycle.now);
  takeover_.set_running(true);
  tend_links(cycle);
  new_conversation(cycle);
}

// Gaps of another keepalive, or of a time in which nobody was listening, say nothing about now.
void Engine::count_anew(Micros now) noexcept {
  counted_since_ = now;
  lateness_seen_.clear();
  rescues_before_ = port_.counted(Counter::kRescues);
  stands_before_ = port_.counted(Counter::kStands);
  for (LinkPlace& place : links_) place.gaps.clear();
  for (Peer& peer : peers_->all()) peer.gaps.clear();
}

// The first two heartbeats leave at once: `init`, and then what we are by now.
void Engine::new_conversation(const Cycle& cycle) noexcept {
  seq_ = 0;
  history_.clear();
  said_.forget();
  history_full_ = false;
  muted_ = silent_;
  conversation_at_ = cycle.now;
  next_beat_at_ = cycle.now + setup_->timing.keepalive;
  for (Peer& peer : peers_->all()) {
    peer.acknowledged = 0;
    peer.ack_base = 0;
    if (peer.self) {
      peer.state = PeerState::kUp;
      peer.status = status_;
    }
  }
  send_status(cycle, "init");
  if (!(status_ == std::string_view("init"))) send_status(cycle, status_.view());
}

void Engine::holding_command(Bytes encoded) noexcept {
  WireReader in(encoded);
  const std::size_t slot = in.u8();
  GroupHolding holding;
  const std::uint8_t held = in.u8();
  holding.held = held != 0;
  holding.leaving = held == kHeldAndLeaving;
  holding.peer_ready = in.u8() != 0;
  holding.agent_busy = in.u8() != 0;
  holding.claim_epoch = in.u64();
  if (in.ok()) takeover_.set_holding(slot, holding);
}

void Engine::send_command(Bytes encoded, const Cycle& cycle) noexcept {
  if (!running_ || muted_) return;
  Message message({compose_arena_.get(), kMaxMessageBytes});
  WireReader in(encoded);
  while (in.ok() && in.remaining() > 0) {
    const std::size_t name_size = in.u8();
    const std::uint8_t type = in.u8();
    const std::size_t value_size = in.u32();
    const Bytes name = in.raw(name_size);
    const Bytes value = in.raw(value_size);
    if (!in.ok() || type > 3) return;
    // What cannot travel was refused by the owner already; here it would only damage the message.
    if (message.add(as_text(name), static_cast<FieldType>(type), value) != Status::kOk) return;
  }
  const auto type = message.text("t");
  if (!in.ok() || !type.has_value()) return;
  complete_and_send(message, !type->starts_with("NS_"), cycle);
}

}  // namespace twinbeat
