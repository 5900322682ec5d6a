// Random conversations: four bytes a message. Held against a plain set of what was accepted.
#include <set>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "core/peer/sequence.h"

namespace {

using namespace twinbeat;

void check(const SequenceTracker& tracker) {
  TB_ASSERT(tracker.missing().size() <= kMaxMissing, "bounded");
  std::uint64_t before = 0;
  for (const MissingEntry& entry : tracker.missing()) {
    TB_ASSERT(entry.seq > before, "ascending");
    TB_ASSERT(entry.seq < tracker.last(), "missing numbers lie behind the last one");
    before = entry.seq;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  SequenceTracker tracker;
  std::set<std::uint64_t> accepted;  // since tracking last started afresh
  ByteReader reader({data, size});
  while (reader.remaining() >= 4) {
    const Bytes step = reader.bytes(4);
    if (step[0] == 0xff) {
      tracker.forget(step[1]);
      check(tracker);
      continue;
    }
    const std::uint64_t offset = static_cast<std::uint64_t>(step[1]) | (step[2] & 3u) << 8;
    const bool relative = (step[3] & 4) != 0;
    SequenceInput input;
    input.generation = (step[2] >> 2 & 7u);
    input.seq = relative ? tracker.last() + offset : offset + 1;
    input.is_status = (step[3] & 1) != 0;
    input.peer_is_dead = (step[3] & 2) != 0;
    const bool heard = tracker.heard();
    const std::uint64_t generation = tracker.generation();
    const SequenceResult result = tracker.judge(input);
    check(tracker);
    TB_ASSERT(!heard || tracker.generation() >= generation, "generations only grow");
    TB_ASSERT(!result.accepted() || tracker.generation() <= input.generation, "no former life");
    TB_ASSERT(result.event != ConversationEvent::kReturned || input.peer_is_dead, "a return");
    const bool afresh = result.event == ConversationEvent::kRestarted ||
                        result.verdict == SequenceVerdict::kAcceptedReset ||
                        result.verdict == SequenceVerdict::kAcceptedRewind;
    if (afresh) accepted.clear();
    if (!result.accepted()) continue;
    TB_ASSERT(accepted.insert(input.seq).second, "no number is accepted twice");
  }
  return 0;
}
