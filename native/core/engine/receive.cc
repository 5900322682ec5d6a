// From bytes of a link to what they say: who sent it, is it new, what does it change.
#include <algorithm>
#include <cstring>
#include <utility>

#include "core/engine/engine.h"

namespace twinbeat {

namespace {

constexpr Micros kReportEvery = kMicrosPerSecond;
constexpr Micros kAnnouncedMax = 86'400LL * kMicrosPerSecond;
// A message that does not fit into the record ring is not accepted, so that its sender repeats it.
constexpr std::size_t kRecordReserve = 4096;
// A status that overtook others is still fresh this many numbers later; older ones were only repeated for us.
constexpr std::uint64_t kFreshWithin = 8;

RejectReason reason_of(Reason reason) noexcept {
  switch (reason) {
    case Reason::kCrcRefused: return RejectReason::kWeakAuth;
    case Reason::kAuthMismatch:
    case Reason::kNoAuth:
    case Reason::kUnknownAuthNumber:
      return RejectReason::kAuth;
    case Reason::kNoSeq: return RejectReason::kField;
    default: return RejectReason::kMalformed;
  }
}

std::uint8_t* put(std::uint8_t* at, const void* from, std::size_t count) noexcept {
  if (count > 0) std::memcpy(at, from, count);
  return at + count;
}

}  // namespace

// Two links on one interface and port get each other's packets. What a packet proves, it proves for the link it came
// on: else a broadcast that no longer passes would hide behind the unicast that does.
std::size_t Engine::link_of(const Origin& origin) const noexcept {
  const Link& reader = *links_[draining_].link;
  if (reader.carries(origin)) return draining_;
  for (std::size_t i = 0; i < link_count_; ++i) {
    const Link& other = *links_[i].link;
    if (i != draining_ && other.is_open() && other.shares_port_with(reader) && other.carries(origin)) return i;
  }
  return draining_;
}

// Half of what arrives is our own broadcast coming back, and every status comes once on every link.
bool Engine::is_known_copy(Bytes bytes) noexcept {
  if (links_[current_link_].link->spec().is_ping()) return false;
  if (said_.is(bytes)) {
    if (Peer* self = peers_->self(); self != nullptr) heard(*self, false);
    return true;
  }
  // Only while it is the last word of a living peer: everything else takes the long way.
  if (!heard_.is(bytes) || !heard_from_->is_live() || heard_from_->sequence.generation() != heard_generation_ ||
      heard_from_->sequence.last() != heard_seq_) {
    return false;
  }
  port_.count(Counter::kMessagesReceived);
  receive_duplicate(*heard_from_, heard_seq_);
  return true;
}

void Engine::packet(Bytes bytes, Micros at, const Origin& origin) noexcept {
  if (!running_) return;
  notice_overflow(origin);
  current_link_ = link_of(origin);
  LinkStats& stats = links_[current_link_].stats;
  ++stats.packets_in;
  stats.bytes_in += bytes.size();
  current_at_ = at;
  if (is_known_copy(bytes)) return;
  Message message({message_arena_.get(), kMaxMessageBytes});
  const Opened opened = open_message(bytes, setup_->keyring, message);
  if (!opened.ok()) return reject(reason_of(opened.reason));
  if (links_[current_link_].link->spec().is_ping()) return receive_ping(message);
  Peer* peer = sender_of(message);
  if (peer == nullptr) return reject(RejectReason::kUnknownNode);
  if (peer->self) return receive_own(*peer, opened);
  port_.count(Counter::kMessagesReceived);
  if (opened.sequenced) {
    heard_seq_ = 0;
    receive_sequenced(*peer, message, opened);
    if (heard_seq_ == 0) return;
    heard_.keep(bytes);
    heard_from_ = peer;
    heard_generation_ = opened.generation;
  } else {
    receive_control(*peer, message, opened);
  }
}

void Engine::reject(RejectReason reason) noexcept {
  LinkPlace& place = links_[current_link_];
  const auto index = static_cast<std::size_t>(reason);
  ++place.stats.rejected[index];
  RejectReport& report = place.reports[index];
  ++report.pending;
  if (current_.now < report.next_at) return;
  publisher_.publish({.type = RecordType::kAuthRejected,
                      .at = current_.now,
                      .count = report.pending,
                      .number = static_cast<std::int32_t>(index),
                      .link = place.link->spec().name.view()});
  report.pending = 0;
  report.next_at = current_.now + kReportEvery;
}

Peer* Engine::sender_of(const Message& message) noexcept {
  const Field* uuid = message.find("srcuuid");
  const Bytes bytes = uuid != nullptr && uuid->type == FieldType::kBinary ? uuid->value : Bytes{};
  return peers_->find_sender(bytes, message.text("src").value_or(""));
}

// Our own broadcast coming back proves that the link works; anything else under our name is somebody else.
void Engine::receive_own(Peer& self, const Opened& opened) noexcept {
  if (opened.generation > generation_) return reject(RejectReason::kOwnName);
  if (opened.generation < generation_) return;
  if (opened.sequenced && opened.seq > seq_) return reject(RejectReason::kOwnName);
  heard(self, false);
}

void Engine::receive_ping(const Message& message) noexcept {
  const LinkSpec& spec = links_[current_link_].link->spec();
  const std::string_view wanted = spec.type == LinkType::kPingGroup ? "ping_group" : "ping";
  if (message.text("t") != "NS_st" || message.text("src") != spec.name.view() ||
      message.text("info") != wanted) {
    return reject(RejectReason::kUnknownNode);
  }
  Peer* node = peers_->find(spec.name.view());
  if (node == nullptr || node->kind != NodeKind::kPing) return;
  const bool first = node->state == PeerState::kNever;
  const bool changed = !node->is_live();
  node->state = PeerState::kUp;
  node->status.assign("ping");
  heard(*node, true);
  if (changed) {
    publisher_.publish({.type = RecordType::kPeerUp,
                        .at = current_.now,
                        .flags = kFlagPing,
                        .node = node->name.view()});
  }
  if (first) {
    publisher_.publish({.type = RecordType::kPeerStatus,
                        .at = current_.now,
                        .flags = kFlagPing,
                        .value_us = setup_->timing.deadping,
                        .node = node->name.view(),
                        .text = "ping"});
  }
}

bool Engine::is_for_us(const Message& message) const noexcept {
  const Field* uuid = message.find("destuuid");
  if (uuid != nullptr && uuid->type == FieldType::kBinary) {
    return std::equal(uuid->value.begin(), uuid->value.end(), setup_->self_uuid.begin(),
                      setup_->self_uuid.end());
  }
  const auto dest = message.text("dest");
  return !dest.has_value() || *dest == setup_->self_name.view();
}

// By the kernel's stamps, so our own lateness is not in it. Neither a pause of ours nor the time in which a peer was
// dead or started anew is a gap between heartbeats.
void Engine::count_gap(GapHistogram& gaps, Micros& from, const Peer& peer) noexcept {
  const Micros before = std::exchange(from, std::max(from, current_at_));
  if (before == 0 || current_at_ <= before || timing_.resumed_at > before || !peer.is_live()) return;
  gaps.add(current_at_ - before);
}

void Engine::heard(Peer& peer, bool fresh_status) noexcept {
  PeerLink& link = peer.links[current_link_];
  link.heard_at = std::max(link.heard_at, current_at_);
  peer.heard_at = std::max(peer.heard_at, current_at_);
  if (fresh_status) {
    count_gap(links_[current_link_].gaps, link.gap_from, peer);
    count_gap(peer.gaps, peer.gap_from, peer);
    link.status_at = std::max(link.status_at, current_at_);
    peer.status_at = std::max(peer.status_at, current_at_);
    // What came after our pause is no word from before it, and the dead time that it names is the one that counts.
    if (current_at_ > peer.excused_at) peer.not_dead_before = 0;
  }
  if (link.state == LinkState::kUp) return;
  // A packet that waited longer than the dead time (we were paused) proves nothing about now.
  if (current_.now - link.heard_at >= dead_time_on(peer, current_link_, timing_)) return;
  link.state = LinkState::kUp;
  publisher_.publish({.type = RecordType::kLinkUp,
                      .at = current_.now,
                      .node = peer.name.view(),
                      .link = links_[current_link_].link->spec().name.view()});
}

// NS_ messages carry no sequence number and are kept if they are for everybody or for us.
void Engine::receive_control(Peer& peer, const Message& message, const Opened& opened) noexcept {
  if (peer.sequence.heard() && opened.generation != peer.sequence.generation()) {
    if (opened.generation < peer.sequence.generation()) reject(RejectReason::kOldGeneration);
    return;
  }
  const std::string_view type = message.text("t").value_or("");
  // Last words are no sign of life.
  if (type == kGaspType) return receive_gasp(peer, message);
  heard(peer, false);
  if (!is_for_us(message)) return;
  if (type == "NS_ackmsg") {
    const auto seq = message.hex("ackseq");
    // Above what we ever sent it is damage, or meant for our former life.
    if (!seq || *seq > seq_) return;
    port_.count(Counter::kAcksReceived);
    peer.acknowledged = std::max(peer.acknowledged, *seq);
  } else if (type == kStandType) {
    receive_stand(peer, message);
  } else if (type == kWaitType) {
    receive_wait(peer, message);
  } else if (type == "NS_rexmit") {
    answer_rexmit(peer, message);
  } else if (type == "NS_nak_rexmit") {
    const auto seq = message.hex("firstseq");
    if (!seq) return;
    port_.count(Counter::kNakReceived);
    peer.sequence.forget(*seq);
  } else {
    publish_message(peer, message);
  }
}

void Engine::receive_duplicate(Peer& peer, std::uint64_t seq) noexcept {
  port_.count(Counter::kDuplicates);
  const RecentMessage* first = peer.recall(seq);
  if (first == nullptr) return;
  // Every message comes once on every link. A copy is evidence for its link while it can still be on its way; later it
  // may be somebody's recording.
  const Micros fresh = std::max(setup_->timing.keepalive, links_[current_link_].interval);
  const Micros age = current_at_ - first->first_at;
  if (age <= fresh) return heard(peer, first->is_status);
  // Between the two a slow line may still be working off its queue: no evidence, and nothing to warn of.
  if (age > dead_time_on(peer, current_link_, timing_)) reject(RejectReason::kReplay);
}

void Engine::receive_sequenced(Peer& peer, const Message& message, const Opened& opened) noexcept {
  const bool is_status = message.text("t") == "status";
  if (is_status && !message.text("st").has_value()) return reject(RejectReason::kField);
  const std::size_t room = port_.records.capacity() - port_.records.used();
  if (!is_status && room < kMaxMessageBytes + kRecordReserve) return;
  const std::uint64_t previous_generation = peer.sequence.generation();
  const SequenceResult result = peer.sequence.judge({.generation = opened.generation,
                                                     .seq = opened.seq,
                                                     .is_status = is_status,
                                                     .peer_is_dead = peer.state == PeerState::kDead});
  if (result.verdict == SequenceVerdict::kOldGeneration) return reject(RejectReason::kOldGeneration);
  if (result.verdict == SequenceVerdict::kUnheardLife) return;
  if (!result.accepted()) return receive_duplicate(peer, opened.seq);
  if (result.event == ConversationEvent::kRestarted) {
    peer.recent.fill(RecentMessage{});
    peer.acknowledged = 0;
    peer.ack_base = seq_;
    peer.status_seq = 0;
    peer.wants_acks = true;
    peer.gap_from = 0;
    peer.stand_stamp = 0;
    peer.waits_until = 0;
    for (PeerLink& link : peer.links) link.gap_from = 0;
  }
  peer.remember(opened.seq, current_at_, is_status);
  if (is_status) heard_seq_ = opened.seq;
  if (result.verdict == SequenceVerdict::kAcceptedGap) {
    port_.count(Counter::kGaps, result.newly_missing);
    plan_requests(peer.sequence.missing(), current_.now, setup_->timing.rexmit_delay, prng_);
  }
  const bool fresh = is_status && opened.seq + kFreshWithin > peer.sequence.last();
  heard(peer, fresh);
  if (is_status) {
    if (fresh) receive_status(peer, message, opened, result.event, previous_generation);
  } else if (is_for_us(message)) {
    publish_message(peer, message);
  }
  if (!muted_ && should_acknowledge(peer, opened.seq, result.verdict)) send_ack(peer, opened.seq, current_);
}

void Engine::receive_status(Peer& peer, const Message& message, const Opened& opened,
                            ConversationEvent event, std::uint64_t previous_generation) noexcept {
  const PeerState before = peer.state;
  peer.state = PeerState::kUp;
  const Record base{.type = RecordType::kPeerUp, .at = current_.now, .generation = opened.generation,
                    .node = peer.name.view()};
  Record record = base;
  if (event == ConversationEvent::kRestarted) {
    record.type = RecordType::kPeerRestarted;
    record.previous = previous_generation;
    record.flags = before == PeerState::kDead ? kFlagWasDead : std::uint8_t{0};
    publisher_.publish(record);
  } else if (event == ConversationEvent::kReturned) {
    record.type = RecordType::kPeerReturned;
    publisher_.publish(record);
  } else if (before == PeerState::kNever || before == PeerState::kDead) {
    peer.ack_base = seq_;
    publisher_.publish(record);
  }
  // A starting node counts us as heard by whatever comes first, an acknowledgement for instance, and a
  // real one that becomes active without knowing our status takes its groups without asking for them.
  const bool news = before == PeerState::kNever || before == PeerState::kDead;
  if (!muted_ && (event != ConversationEvent::kNone || news)) {
    send_status(current_, status_.view());
  }
  // The content of a status that was overtaken by a newer one is history.
  const bool first = peer.status_seq == 0;
  if (opened.seq <= peer.status_seq && event == ConversationEvent::kNone) return;
  peer.status_seq = opened.seq;
  const std::string_view status = message.text("st").value_or("");
  const auto dead_ms = message.hex("dt");
  if (dead_ms) {
    const std::uint64_t most = static_cast<std::uint64_t>(kAnnouncedMax / kMicrosPerMilli);
    peer.announced_us = static_cast<Micros>(std::min(*dead_ms, most)) * kMicrosPerMilli;
  }
  if (!message.text("protocol").has_value()) peer.wants_acks = false;
  const auto twinbeat = message.text("twinbeat");
  const bool changed = first || event != ConversationEvent::kNone || before == PeerState::kDead ||
                       !(peer.status == status) || peer.twinbeat != twinbeat.has_value() ||
                       (twinbeat && !(peer.twinbeat_value == *twinbeat));
  peer.status.assign(status);
  peer.twinbeat = twinbeat.has_value();
  peer.twinbeat_value.assign(twinbeat.value_or(""));
  peer.waits = message.decimal("twinbeat").value_or(0) >= kTwinbeatVersion;
  peer.load.assign(message.text("ld").value_or(""));
  // Absent means that it was not late; only one of our kind says it at all.
  const auto late = message.hex("tb_late");
  peer.lateness_us = static_cast<Micros>(std::min<std::uint64_t>(late.value_or(0), kAnnouncedMax));
  peer.lateness_most_us = std::max(peer.lateness_us, opened.generation != previous_generation ? 0 : peer.lateness_most_us);
  if (!changed) return;
  record = base;
  record.type = RecordType::kPeerStatus;
  record.flags = peer.twinbeat ? kFlagTwinbeat : std::uint8_t{0};
  record.value_us = peer.announced_us;
  record.text = peer.status.view();
  record.extra = peer.twinbeat_value.view();
  if (peer.has_uuid) record.body = peer.uuid;
  publisher_.publish(record);
}

void Engine::publish_message(const Peer& peer, const Message& message) noexcept {
  std::uint8_t* const start = classic_.get();  // free here, and twice as long as any message
  std::uint8_t* at = start;
  for (const Field& field : message.fields()) {
    const auto name_size = static_cast<std::uint8_t>(field.name.size());
    const auto type = static_cast<std::uint8_t>(field.type);
    const auto value_size = static_cast<std::uint32_t>(field.value.size());
    at = put(at, &name_size, sizeof(name_size));
    at = put(at, &type, sizeof(type));
    at = put(at, &value_size, sizeof(value_size));
    at = put(at, field.name.data(), field.name.size());
    at = put(at, field.value.data(), field.value.size());
  }
  publisher_.publish({.type = RecordType::kMessage,
                      .at = current_at_,
                      .node = peer.name.view(),
                      .link = links_[current_link_].link->spec().name.view(),
                      .body = Bytes{start, static_cast<std::size_t>(at - start)}});
}

void Engine::answer_rexmit(Peer& peer, const Message& message) noexcept {
  const auto first = message.decimal("firstseq");
  const auto last = message.decimal("lastseq");
  if (muted_ || !first || !last || *last < *first) return;
  const std::uint64_t count = std::min(*last - *first + 1, kRexmitPerRequest);
  const Micros not_again = std::max<Micros>(setup_->timing.rexmit_delay - 10 * kMicrosPerMilli, 0);
  for (std::uint64_t seq = *first; seq < *first + count; ++seq) {
    Bytes body;
    switch (history_.find(seq, current_.now, not_again, body)) {
      case HistoryAnswer::kFound:
        if (seq <= peer.acknowledged) break;
        port_.count(Counter::kRexmitAnswered);
        resend(body, current_);
        break;
      case HistoryAnswer::kTooOld: send_nak(peer, seq, "seqno too low", current_); break;
      case HistoryAnswer::kNotFound: send_nak(peer, seq, "seqno not found", current_); break;
      case HistoryAnswer::kTooSoon:
      case HistoryAnswer::kNotSentYet:
        break;
    }
  }
}

}  // namespace twinbeat
