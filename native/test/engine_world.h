// Two or more engines on a manual clock with a network between them: each packet takes a millisecond, links can be cut
// one way, lose by seed, and an engine can be frozen. Nothing here sleeps, everything is reproducible.
#pragma once

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/engine/engine.h"
#include "core/link/link_manual.h"
#include "core/takeover/manual_steps.h"

namespace twinbeat::test {

struct SeenRecord {
  RecordType type{};
  Micros at = 0;
  std::uint8_t flags = 0;
  std::uint64_t generation = 0;
  std::int64_t value_us = 0;
  std::int32_t number = 0;
  std::uint64_t previous = 0;
  std::uint32_t count = 0;
  std::string extra;
  std::string node;
  std::string link;
  std::string text;
  std::string body;
};

struct WorldNode {
  WorldNode(std::string node_name, std::uint64_t seed)
      : name(std::move(node_name)),
        engine(port, {.seed = seed, .factory = &ManualHub::make, .factory_context = &hub, .steps = &steps}) {}

  std::string name;
  EnginePort port;
  ManualHub hub;
  ManualSteps steps;
  Engine engine;
  std::vector<SeenRecord> records;
  bool frozen = false;

  void command(CommandType type, Bytes first = {}, Bytes second = {}) {
    const auto code = static_cast<std::uint8_t>(type);
    const std::array<Bytes, 3> parts{Bytes{&code, 1}, first, second};
    TB_ASSERT(port.commands.push(parts), "the test's commands fit");
  }
  void number_command(CommandType type, std::uint64_t value, std::string_view text = {}) {
    command(type, {reinterpret_cast<const std::uint8_t*>(&value), sizeof(value)}, as_bytes(text));
  }
  void phase_started() {
    const std::uint8_t yes = 1;
    command(CommandType::kPhase, {&yes, 1});
  }
  void stop() {
    const std::uint8_t no = 0;
    command(CommandType::kStop, {&no, 1});
  }
  void send(const std::vector<std::pair<std::string, std::string>>& fields) {
    std::string bytes;
    for (const auto& [field, value] : fields) {
      const auto size = static_cast<std::uint32_t>(value.size());
      bytes += static_cast<char>(field.size());
      bytes += '\0';
      bytes.append(reinterpret_cast<const char*>(&size), sizeof(size));
      bytes += field + value;
    }
    command(CommandType::kSend, as_bytes(bytes));
  }
  [[nodiscard]] std::vector<SeenRecord> of(RecordType type) const {
    std::vector<SeenRecord> found;
    for (const SeenRecord& record : records) {
      if (record.type == type) found.push_back(record);
    }
    return found;
  }
  [[nodiscard]] std::uint64_t count(Counter counter) const {
    return port.counters[static_cast<std::size_t>(counter)].load();
  }
  void drain() {
    std::size_t size = 0;
    while (port.records.front_size(size)) {
      std::vector<std::uint8_t> bytes(size);
      port.records.pop(bytes.data());
      RecordHeader header;
      std::memcpy(&header, bytes.data(), sizeof(header));
      std::size_t at = sizeof(header);
      const auto part = [&](std::size_t count) {
        std::string text(reinterpret_cast<const char*>(bytes.data()) + at, count);
        at += count;
        return text;
      };
      SeenRecord record{.type = static_cast<RecordType>(header.type), .at = header.at_us, .flags = header.flags,
                        .generation = header.generation, .value_us = header.value_us, .number = header.number,
                        .previous = header.previous, .count = header.count, .extra = {}, .node = {}, .link = {}, .text = {}, .body = {}};
      record.node = part(header.node_bytes);
      record.link = part(header.link_bytes);
      record.text = part(header.text_bytes);
      record.extra = part(header.extra_bytes);
      record.body = part(header.body_bytes);
      records.push_back(std::move(record));
    }
  }
};

struct Wire {
  std::string from;
  std::string to;
  std::string link;
};

class World {
 public:
  static constexpr Micros kDelay = 1000;
  Timing timing{.keepalive = 100'000, .deadtime = 500'000, .warntime = 250'000, .initdead = 5'000'000,
                .deadping = 500'000, .rexmit_delay = 250'000};
  Micros now = 1'000'000'000;
  std::vector<std::unique_ptr<WorldNode>> nodes;
  // True loses the packet.
  std::function<bool(const Wire&, const ManualPacket&)> lose = [](const Wire&, const ManualPacket&) { return false; };
  std::vector<std::pair<Wire, ManualPacket>> traffic;  // everything that was delivered

  WorldNode& add(const std::string& name, const std::vector<LinkSpec>& links, std::uint64_t generation) {
    nodes.push_back(std::make_unique<WorldNode>(name, 7 + nodes.size()));
    WorldNode& node = *nodes.back();
    configure(node, links, 1);
    node.number_command(CommandType::kGeneration, generation);
    node.command(CommandType::kStart);
    node.number_command(CommandType::kStatus, 0, "active");
    node.phase_started();
    return node;
  }

  std::string key = "key";
  void configure(WorldNode& node, const std::vector<LinkSpec>& links, std::uint64_t revision) {
    auto setup = std::make_unique<Setup>();
    setup->revision = revision;
    setup->self_name.assign(node.name);
    setup->self_uuid = uuid_of(node.name);
    setup->timing = timing;
    setup->mute_after_pause = true;
    for (const char* const name : {"a", "b"}) {
      NodeSpec spec;
      spec.name.assign(name);
      TB_ASSERT(setup->nodes.push_back(spec) == Status::kOk, "two nodes fit");
    }
    for (const LinkSpec& link : links) TB_ASSERT(setup->links.push_back(link) == Status::kOk, "links fit");
    TB_ASSERT(setup->keyring.set(1, AuthMethod::kSha1, as_bytes(key)) == Status::kOk, "key");
    TB_ASSERT(setup->keyring.set_signing(1) == Status::kOk, "signing key");
    node.number_command(CommandType::kConfigure, reinterpret_cast<std::uintptr_t>(setup.release()));
  }

  static Uuid uuid_of(const std::string& name) {
    Uuid uuid{};
    uuid[0] = static_cast<std::uint8_t>(name[0]);
    return uuid;
  }

  static LinkSpec link(const std::string& name, LinkType type = LinkType::kUcast, std::uint32_t baud = 0) {
    LinkSpec spec;
    spec.type = type;
    spec.name.assign(name);
    spec.baud = baud;
    return spec;
  }

  // Lets time pass in steps of at most a millisecond's resolution of events; a frozen node neither runs nor reads.
  void run(Micros span) {
    const Micros end = now + span;
    while (now < end) {
      for (const auto& node : nodes) {
        if (!node->frozen) node->engine.do_work({now, 1'700'000'000'000'000 + now});
        node->drain();
      }
      for (const auto& node : nodes) exchange(*node);
      Micros next = end;
      for (const auto& node : nodes) {
        if (!node->frozen) next = std::min(next, node->engine.next_deadline());
      }
      if (delivered_) next = std::min(next, now + kDelay);
      delivered_ = false;
      now = std::max(next, now + 1);
    }
  }

 private:
  void exchange(WorldNode& from) {
    for (const ManualPacket& packet : from.hub.collect()) {
      for (const auto& to : nodes) {
        if (to.get() == &from) continue;
        const Wire wire{from.name, to->name, packet.link};
        if (lose(wire, packet)) continue;
        delivered_ = to->hub.inject(packet.link, packet.bytes, now + kDelay) || delivered_;
        traffic.emplace_back(wire, packet);
      }
    }
  }

  bool delivered_ = false;
};

[[nodiscard]] inline bool contains(const ManualPacket& packet, std::string_view text) {
  return as_text(packet.bytes).find(text) != std::string_view::npos;
}

}  // namespace twinbeat::test
