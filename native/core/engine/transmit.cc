// What we say: heartbeats by absolute schedule, messages of the owner, acknowledgements, requests and answers of the
// reliable multicast. Every message leaves on every link.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "core/engine/engine.h"

namespace twinbeat {

namespace {

constexpr std::size_t kSmallArena = 2048;  // for messages of our own making
constexpr std::size_t kRequestsPerCycle = 50;
constexpr Micros kLoadEvery = kMicrosPerSecond;
constexpr Micros kPingEvery = 100 * kMicrosPerMilli;

}  // namespace

void Engine::send_heartbeats(const Cycle& cycle) noexcept {
  if (cycle.now < next_beat_at_) return;
  send_status(cycle, status_.view());
  lateness_ = 0;
  overflow_excused_ = false;
  if (cycle.now >= next_ping_at_) {
    send_pings(cycle);
    next_ping_at_ = cycle.now + ping_interval();
  }
  const Micros interval = heartbeat_interval();
  // Beats that were missed are not made up for: a burst says no more than one.
  next_beat_at_ += ((cycle.now - next_beat_at_) / interval + 1) * interval;
}

void Engine::send_status(const Cycle& cycle, std::string_view status) noexcept {
  read_load(cycle.now);
  std::array<std::uint8_t, kSmallArena> arena;
  Message message(arena);
  const auto dead_ms = static_cast<std::uint64_t>(announced_dead_time(cycle.now) / kMicrosPerMilli);
  const bool ok = message.add_text("t", "status") == Status::kOk &&
                  message.add_text("st", status) == Status::kOk &&
                  message.add_hex("dt", dead_ms) == Status::kOk &&
                  message.add_text("protocol", "1") == Status::kOk &&
                  message.add_decimal("twinbeat", kTwinbeatVersion) == Status::kOk;
  if (!ok) return;
  // How late we ran ourselves since the last one: who sees us late wants to know whether it was the way.
  if (lateness_ > 0 && only_twinbeat_listens()) {
    static_cast<void>(message.add_hex("tb_late", static_cast<std::uint64_t>(lateness_)));
  }
  port_.count(Counter::kHeartbeatsSent);
  complete_and_send(message, true, cycle);
}

// With every heartbeat, as a real node does, but no router is asked a thousand times in a second.
Micros Engine::ping_interval() const noexcept {
  const Timing& timing = setup_->timing;
  return std::max(Micros{0}, std::min(kPingEvery, timing.deadping / 5) - timing.keepalive / 2);
}

void Engine::send_pings(const Cycle& cycle) noexcept {
  for (std::size_t i = 0; i < link_count_; ++i) {
    LinkPlace& place = links_[i];
    const LinkSpec& spec = place.link->spec();
    if (!spec.is_ping() || !place.link->is_open()) continue;
    std::array<std::uint8_t, kSmallArena> arena;
    Message message(arena);
    const std::string_view info = spec.type == LinkType::kPingGroup ? "ping_group" : "ping";
    const bool ok = message.add_text("t", "NS_st") == Status::kOk &&
                    message.add_text("st", "ping") == Status::kOk &&
                    message.add_text("info", info) == Status::kOk &&
                    message.add_text("src", spec.name.view()) == Status::kOk &&
                    message.add_hex("ts", static_cast<std::uint64_t>(cycle.wall_us / kMicrosPerSecond)) == Status::kOk;
    if (!ok) continue;
    const Encoded encoded =
        encode_netstring(message, setup_->keyring, InnerAuth::kAdd, {netstring_.get(), kMaxMessageBytes});
    if (encoded.status != Status::kOk) continue;
    send_on(place, {.netstring = encoded.bytes, .classic = {}, .is_status = true}, cycle);
  }
}

void Engine::request_missing(const Cycle& cycle) noexcept {
  std::size_t left = kRequestsPerCycle;
  for (Peer& peer : peers_->all()) {
    if (peer.self || !peer.may_be_asked()) continue;
    // Beyond its history nobody can answer; a real node would answer with a refusal for each.
    while (!peer.sequence.missing().empty() &&
           peer.sequence.missing().front().seq + kHistoryMessages < peer.sequence.last()) {
      peer.sequence.forget(peer.sequence.missing().front().seq);
    }
    for (MissingEntry& entry : peer.sequence.missing()) {
      if (entry.request_at == 0 || cycle.now < entry.request_at) continue;
      entry.request_at = cycle.now + setup_->timing.rexmit_delay;
      if (left == 0) continue;
      --left;
      std::array<std::uint8_t, kSmallArena> arena;
      Message message(arena);
      // One number per request, decimal here and hexadecimal everywhere else: so it is read.
      const bool ok = message.add_text("t", "NS_rexmit") == Status::kOk &&
                      message.add_text("dest", peer.name.view()) == Status::kOk &&
                      message.add_decimal("firstseq", entry.seq) == Status::kOk &&
                      message.add_decimal("lastseq", entry.seq) == Status::kOk;
      if (!ok) return;
      port_.count(Counter::kRexmitRequested);
      complete_and_send(message, false, cycle);
    }
  }
}

void Engine::send_ack(const Peer& peer, std::uint64_t seq, const Cycle& cycle) noexcept {
  std::array<std::uint8_t, kSmallArena> arena;
  Message message(arena);
  const bool ok = message.add_text("t", "NS_ackmsg") == Status::kOk &&
                  message.add_text("dest", peer.name.view()) == Status::kOk &&
                  message.add_hex("ackseq", seq) == Status::kOk;
  if (!ok) return;
  port_.count(Counter::kAcksSent);
  complete_and_send(message, false, cycle);
}

void Engine::send_nak(const Peer& peer, std::uint64_t seq, const char* why, const Cycle& cycle) noexcept {
  std::array<std::uint8_t, kSmallArena> arena;
  Message message(arena);
  const bool ok = message.add_text("t", "NS_nak_rexmit") == Status::kOk &&
                  message.add_hex("firstseq", seq) == Status::kOk &&
                  message.add_text("dest", peer.name.view()) == Status::kOk &&
                  message.add_text("info", why) == Status::kOk;
  if (!ok) return;
  port_.count(Counter::kNakSent);
  complete_and_send(message, false, cycle);
}

// What every message carries; false when it does not fit.
bool Engine::complete(Message& message, bool sequenced, const Cycle& cycle) noexcept {
  bool ok = true;
  const auto dest = message.text("dest");
  if (dest.has_value() && message.find("destuuid") == nullptr) {
    const Peer* to = peers_->find(*dest);
    if (to != nullptr && to->has_uuid) {
      ok = ok && message.add("destuuid", FieldType::kBinary, to->uuid) == Status::kOk;
    }
  }
  const std::uint64_t seq = seq_ + 1;
  ok = ok && message.add_text("src", setup_->self_name.view()) == Status::kOk;
  ok = ok && message.add("srcuuid", FieldType::kBinary, setup_->self_uuid) == Status::kOk;
  if (sequenced) ok = ok && message.add_hex("seq", seq) == Status::kOk;
  ok = ok && message.add_hex("hg", generation_) == Status::kOk;
  ok = ok && message.add_hex("ts", static_cast<std::uint64_t>(cycle.wall_us / kMicrosPerSecond)) == Status::kOk;
  if (sequenced) ok = ok && message.add_text("ld", load_.view()) == Status::kOk;
  return ok && message.add_decimal("ttl", setup_->hopfudge + peers_->all().size()) == Status::kOk;
}

void Engine::complete_and_send(Message& message, bool sequenced, const Cycle& cycle) noexcept {
  if (silent_ || !complete(message, sequenced, cycle)) return;
  const Encoded encoded =
      encode_netstring(message, setup_->keyring, InnerAuth::kAdd, {netstring_.get(), kMaxMessageBytes});
  if (encoded.status != Status::kOk) return;
  if (sequenced) {
    const std::uint64_t seq = ++seq_;
    history_.keep(seq, encoded.bytes);
    said_.keep(encoded.bytes);
    port_.count(Counter::kMessagesSent);
    const std::uint64_t waiting = unacknowledged();
    if (!history_full_ && waiting >= kHistoryMessages) {
      history_full_ = true;
      publisher_.publish({.type = RecordType::kHistoryFull,
                          .at = cycle.now,
                          .count = static_cast<std::uint32_t>(waiting)});
    } else if (waiting < kHistoryMessages / 2) {
      history_full_ = false;
    }
  }
  transmit(message, message.text("t") == "status", encoded.bytes, cycle);
}

std::uint64_t Engine::unacknowledged() const noexcept {
  std::uint64_t most = 0;
  for (const Peer& peer : peers_->all()) {
    if (!peer.is_normal_other() || !peer.is_live() || !peer.wants_acks) continue;
    const std::uint64_t seen = std::max(peer.acknowledged, peer.ack_base);
    most = std::max(most, seq_ > seen ? seq_ - seen : 0);
  }
  return most;
}

void Engine::transmit(const Message& message, bool is_status, Bytes netstring, const Cycle& cycle) noexcept {
  Outgoing out{.netstring = netstring, .classic = {}, .is_status = is_status};
  const Micros beat = heartbeat_interval();
  for (std::size_t i = 0; i < link_count_; ++i) {
    LinkPlace& place = links_[i];
    if (!place.link->is_open() || place.link->spec().is_ping()) continue;
    // A slow line gets every few heartbeats while a faster link carries them all.
    if (is_status && place.interval > beat && cycle.now < place.next_status_at) continue;
    if (place.link->wants_classic() && out.classic.empty()) {
      const Encoded encoded =
          encode_classic(message, setup_->keyring, {classic_.get(), 2 * kMaxMessageBytes});
      if (encoded.status == Status::kOk) out.classic = encoded.bytes;
    }
    if (is_status) place.next_status_at = cycle.now + place.interval;
    send_on(place, out, cycle);
  }
}

void Engine::send_on(LinkPlace& place, const Outgoing& out, const Cycle& cycle) noexcept {
  const SendResult result = place.link->send(out, cycle);
  const auto index = static_cast<std::size_t>(&place - links_.data());
  switch (result) {
    case SendResult::kSent:
      ++place.stats.packets_out;
      place.stats.bytes_out += place.link->wants_classic() ? out.classic.size() : out.netstring.size();
      if (place.failing) {
        place.failing = false;
        report_link(index, true, 0, cycle.now);
      }
      return;
    case SendResult::kDropped: ++place.stats.queue_drops; return;
    case SendResult::kLost:
      ++place.stats.send_errors;
      place.error = place.link->last_error();
      return;
    case SendResult::kDown:
      ++place.stats.send_errors;
      if (!place.failing) {
        place.failing = true;
        place.retry_at = cycle.now + kMicrosPerSecond;
      }
      report_link(index, false, place.link->last_error(), cycle.now);
      return;
  }
}

// The identical message again; signed anew, because keys may have changed and a line wants the other encoding.
void Engine::resend(Bytes body, const Cycle& cycle) noexcept {
  if (silent_) return;
  Message kept({compose_arena_.get(), kMaxMessageBytes});
  if (!parse_netstring(body, kept).ok()) return;
  Message message({compose_arena_.get(), 0});
  for (const Field& field : kept.fields()) {
    if (field.name == "auth") continue;
    if (message.add_view(field.name, field.type, field.value) != Status::kOk) return;
  }
  const Encoded encoded =
      encode_netstring(message, setup_->keyring, InnerAuth::kAdd, {netstring_.get(), kMaxMessageBytes});
  // Not counted as a status: a slow line must carry it too.
  if (encoded.status == Status::kOk) transmit(message, false, encoded.bytes, cycle);
}

void Engine::read_load(Micros now) noexcept {
  if (!load_.empty() && now - load_read_at_ < kLoadEvery) return;
  load_read_at_ = now;
  std::array<char, 63> text;
  const int fd = ::open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
  const ssize_t count = fd < 0 ? -1 : ::read(fd, text.data(), text.size());
  if (fd >= 0) ::close(fd);
  std::string_view line(text.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
  load_.assign(line.substr(0, std::min(line.find('\n'), line.size())));
  if (load_.empty()) load_.assign("0.00 0.00 0.00 1/1 1");
}

}  // namespace twinbeat
