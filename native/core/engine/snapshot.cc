// The whole state as JSON, with the names of src/engine/engine.ts. Made on request, into the requester's memory.
#include <array>

#include "core/engine/engine.h"
#include "core/engine/json_writer.h"

namespace twinbeat {

namespace {

constexpr std::array<std::string_view, kLinkTypes> kTypeNames{
    "bcast", "ucast", "mcast", "ucast6", "mcast6", "serial", "ping", "ping_group", "ping6", "loopback"};
constexpr std::array<std::string_view, kRejectReasons> kReasonNames{
    "malformed", "auth", "weak-auth", "unknown-node", "old-generation", "replay", "field", "own-name"};

std::int64_t integer(std::uint64_t value) noexcept { return static_cast<std::int64_t>(value); }

void write_uuid(JsonWriter& json, const Peer& peer) noexcept {
  std::array<char, 32> hex{};
  for (std::size_t i = 0; i < peer.uuid.size(); ++i) {
    hex[2 * i] = "0123456789abcdef"[peer.uuid[i] >> 4];
    hex[2 * i + 1] = "0123456789abcdef"[peer.uuid[i] & 15];
  }
  json.key("uuid").string(peer.has_uuid ? std::string_view(hex.data(), hex.size()) : std::string_view());
}

void write_gaps(JsonWriter& json, std::string_view key, const GapHistogram& gaps) noexcept {
  json.key(key).open('{');
  json.key("maxUs").number(gaps.max());
  json.key("classes").open('[');
  for (std::size_t i = 0; i < GapHistogram::kClasses; ++i) {
    if (gaps.counts()[i] == 0) continue;
    json.open('[').number(i == 0 ? 0 : GapHistogram::least_of(i)).number(gaps.counts()[i]).close(']');
  }
  json.close(']').close('}');
}

void write_peer(JsonWriter& json, const Peer& peer, std::span<const LinkPlace> links) noexcept {
  json.open('{');
  json.key("name").string(peer.name.view());
  json.key("kind").string(peer.kind == NodeKind::kPing ? "ping" : "normal");
  json.key("self").boolean(peer.self);
  write_uuid(json, peer);
  json.key("state").string(peer_state_name(peer.state));
  json.key("status").string(peer.status.view());
  json.key("generation").number(integer(peer.sequence.generation()));
  json.key("deadtimeUs").number(peer.announced_us);
  json.key("twinbeat");
  if (peer.twinbeat) json.string(peer.twinbeat_value.view());
  else json.null();
  json.key("lastStatusAt").moment(peer.status_at);
  json.key("lastHeardAt").moment(peer.heard_at);
  json.key("missing").number(integer(peer.sequence.missing().size()));
  json.key("acknowledged").number(integer(peer.acknowledged));
  json.key("load").string(peer.load.view());
  json.key("latenessUs").number(peer.lateness_us);
  json.key("latenessMaxUs").number(peer.lateness_most_us);
  write_gaps(json, "gaps", peer.gaps);
  json.key("links").open('[');
  for (std::size_t i = 0; i < links.size(); ++i) {
    if (links[i].link->spec().is_ping() != (peer.kind == NodeKind::kPing)) continue;
    if (peer.kind == NodeKind::kPing && !(links[i].link->spec().name == peer.name.view())) continue;
    json.open('{');
    json.key("name").string(links[i].link->spec().name.view());
    json.key("state").string(link_state_name(peer.links[i].state));
    json.key("lastHeardAt").moment(peer.links[i].heard_at);
    json.close('}');
  }
  json.close(']').close('}');
}

void write_link(JsonWriter& json, const LinkPlace& place, std::size_t index, std::span<const Peer> peers) noexcept {
  LinkState state = LinkState::kNever;
  Micros heard_at = 0;
  for (const Peer& peer : peers) {
    if (peer.self) continue;
    const PeerLink& link = peer.links[index];
    if (link.state == LinkState::kUp || state == LinkState::kNever) state = link.state;
    if (link.heard_at > heard_at) heard_at = link.heard_at;
  }
  json.open('{');
  json.key("name").string(place.link->spec().name.view());
  json.key("type").string(kTypeNames[static_cast<std::size_t>(place.link->spec().type)]);
  json.key("open").boolean(place.reported_open);
  json.key("errno").number(place.reported_open ? 0 : place.error);
  json.key("state").string(link_state_name(state));
  json.key("intervalUs").number(place.interval);
  json.key("deadtimeUs").number(place.dead_time);
  json.key("lastHeardAt").moment(heard_at);
  json.key("packetsIn").number(integer(place.stats.packets_in));
  json.key("bytesIn").number(integer(place.stats.bytes_in));
  json.key("packetsOut").number(integer(place.stats.packets_out));
  json.key("bytesOut").number(integer(place.stats.bytes_out));
  json.key("sendErrors").number(integer(place.stats.send_errors));
  json.key("queueDrops").number(integer(place.stats.queue_drops));
  write_gaps(json, "gaps", place.gaps);
  json.key("rejected").open('{');
  for (std::size_t i = 0; i < kRejectReasons; ++i) {
    json.key(kReasonNames[i]).number(integer(place.stats.rejected[i]));
  }
  json.close('}').close('}');
}

}  // namespace

std::size_t Engine::write_snapshot(std::span<char> out, Micros now) const noexcept {
  JsonWriter json(out);
  json.open('{');
  json.key("at").number(now);
  json.key("revision").number(setup_ == nullptr ? 0 : integer(setup_->revision));
  json.key("running").boolean(running_);
  json.key("muted").boolean(muted_ && !asking());
  json.key("started").boolean(timing_.started);
  json.key("status").string(status_.view());
  json.key("generation").number(integer(generation_));
  json.key("sequence").number(integer(seq_));
  json.key("deadtimeUs").number(setup_ == nullptr ? 0 : setup_->announced_dead_time());
  json.key("historyKept").number(integer(history_.size()));
  json.key("countedSince").moment(counted_since_);
  write_gaps(json, "lateness", lateness_seen_);
  json.key("rescues").number(integer(port_.counted(Counter::kRescues) - rescues_before_));
  json.key("stands").number(integer(port_.counted(Counter::kStands) - stands_before_));
  const std::span<const LinkPlace> links(links_.data(), link_count_);
  json.key("peers").open('[');
  for (const Peer& peer : peers_->all()) write_peer(json, peer, links);
  json.close(']');
  json.key("links").open('[');
  for (std::size_t i = 0; i < link_count_; ++i) write_link(json, links_[i], i, peers_->all());
  json.close(']').close('}');
  return json.size();
}

}  // namespace twinbeat
