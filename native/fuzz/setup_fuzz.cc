// Configurations as an owner without care might send them: what is accepted must be safe to run on.
#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/base/assert.h"
#include "core/engine/engine.h"
#include "core/link/link_manual.h"

namespace {

using namespace twinbeat;

void command(EnginePort& port, CommandType type, std::uint64_t value) {
  const auto code = static_cast<std::uint8_t>(type);
  const Bytes number{reinterpret_cast<const std::uint8_t*>(&value), sizeof(value)};
  const std::array<Bytes, 2> parts{Bytes{&code, 1}, number};
  TB_ASSERT(port.commands.push(parts), "fits");
}

// One for all inputs: making an engine costs more than running it. A new revision replaces the last setup.
void run(std::unique_ptr<Setup> setup) {
  static EnginePort port;
  static ManualHub hub;
  static Engine engine(port, {.seed = 1, .instance = 0, .factory = &ManualHub::make, .factory_context = &hub});
  static std::uint64_t revision = 0;
  static Micros now = 1'000'000'000;
  setup->revision = ++revision;
  command(port, CommandType::kConfigure, reinterpret_cast<std::uintptr_t>(setup.release()));
  command(port, CommandType::kGeneration, revision);
  command(port, CommandType::kStart, 0);
  for (int i = 0; i < 4; ++i) {
    engine.do_work({now, now});
    const Micros next = engine.next_deadline();
    TB_ASSERT(next > now, "every cycle has done what was due");
    now = next < now + 1'000'000 ? next : now + 1'000'000;
  }
  static std::array<char, 512 * 1024> snapshot;
  TB_ASSERT(engine.write_snapshot(snapshot, now) > 0, "the snapshot fits");
  static_cast<void>(hub.collect());
  std::size_t size = 0;
  static std::array<std::uint8_t, 1 << 20> record;
  while (port.records.front_size(size)) port.records.pop(record.data());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto setup = std::make_unique<Setup>();
  if (parse_setup({data, size}, *setup) != Status::kOk) return 0;
  TB_ASSERT(setup->nodes.size() + setup->ping_nodes() <= kMaxNodes, "the peer table holds them");
  TB_ASSERT(setup->announced_dead_time() >= setup->timing.deadtime, "no link shortens the dead time");
  for (const LinkSpec& link : setup->links) TB_ASSERT(link_interval(link, setup->timing) > 0, "an interval");
  run(std::move(setup));
  return 0;
}
