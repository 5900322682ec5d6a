#include <doctest/doctest.h>

#include "core/peer/sequence.h"

using namespace twinbeat;

namespace {

using V = SequenceVerdict;
using E = ConversationEvent;

SequenceResult status(SequenceTracker& t, std::uint64_t hg, std::uint64_t seq, bool dead = false) {
  return t.judge({hg, seq, true, dead});
}

SequenceResult other(SequenceTracker& t, std::uint64_t hg, std::uint64_t seq, bool dead = false) {
  return t.judge({hg, seq, false, dead});
}

}  // namespace

TEST_CASE("the first message is accepted wherever its sender is") {
  SequenceTracker t;
  CHECK_FALSE(t.heard());
  const SequenceResult r = other(t, 10, 77);
  CHECK(r.verdict == V::kAccepted);
  CHECK(r.event == E::kNone);
  CHECK(t.generation() == 10);
  CHECK(t.last() == 77);
}

TEST_CASE("the same number again is a duplicate, an older one a replay") {
  SequenceTracker t;
  CHECK(status(t, 1, 5).accepted());
  CHECK(status(t, 1, 6).verdict == V::kAccepted);
  CHECK(status(t, 1, 6).verdict == V::kDuplicate);
  CHECK(other(t, 1, 4).verdict == V::kReplay);
  CHECK_FALSE(other(t, 1, 4).accepted());
}

TEST_CASE("a gap is accepted at once and filled in any order, each number once") {
  SequenceTracker t;
  CHECK(status(t, 1, 1).accepted());
  const SequenceResult gap = status(t, 1, 5);
  CHECK(gap.verdict == V::kAcceptedGap);
  CHECK(gap.newly_missing == 3);
  CHECK(t.missing().size() == 3);
  CHECK(other(t, 1, 3).verdict == V::kAcceptedMissing);
  CHECK(other(t, 1, 3).verdict == V::kReplay);
  CHECK(other(t, 1, 2).verdict == V::kAcceptedMissing);
  CHECK(t.missing().size() == 1);
  CHECK(t.missing()[0].seq == 4);
  CHECK(t.last() == 5);
}

TEST_CASE("a gap of 250 is remembered, a gap of 251 starts afresh") {
  SequenceTracker t;
  CHECK(status(t, 1, 1).accepted());
  CHECK(status(t, 1, 252).verdict == V::kAcceptedGap);
  CHECK(t.missing().size() == 250);
  CHECK(status(t, 1, 252 + 252).verdict == V::kAcceptedReset);
  CHECK(t.missing().empty());
  CHECK(t.last() == 504);
}

TEST_CASE("never more than 500 numbers are missing") {
  SequenceTracker t;
  CHECK(status(t, 1, 1).accepted());
  CHECK(status(t, 1, 252).verdict == V::kAcceptedGap);
  CHECK(status(t, 1, 503).verdict == V::kAcceptedGap);
  CHECK(t.missing().size() == 500);
  CHECK(status(t, 1, 505).verdict == V::kAcceptedReset);
  CHECK(t.missing().empty());
}

TEST_CASE("an older generation is refused whatever its type") {
  SequenceTracker t;
  CHECK(status(t, 9, 1).accepted());
  CHECK(status(t, 8, 2).verdict == V::kOldGeneration);
  CHECK(other(t, 8, 2).verdict == V::kOldGeneration);
  CHECK(t.generation() == 9);
}

TEST_CASE("a status of a higher generation is a restart and forgets the former life") {
  SequenceTracker t;
  CHECK(status(t, 1, 1).accepted());
  CHECK(status(t, 1, 9).accepted());
  const SequenceResult r = status(t, 2, 1);
  CHECK(r.verdict == V::kAccepted);
  CHECK(r.event == E::kRestarted);
  CHECK(t.missing().empty());
  CHECK(t.last() == 1);
  CHECK(other(t, 1, 10).verdict == V::kOldGeneration);
}

TEST_CASE("only a status moves the generation") {
  SequenceTracker t;
  CHECK(status(t, 1, 5).accepted());
  const SequenceResult r = other(t, 2, 6);
  CHECK(r.event == E::kNone);
  CHECK(t.generation() == 1);
}

TEST_CASE("what a newer life says before its first status is as good as lost, dead or alive") {
  SequenceTracker t;
  CHECK(status(t, 1, 5).accepted());
  CHECK(other(t, 2, 6).verdict == V::kUnheardLife);
  CHECK_FALSE(other(t, 2, 1, true).accepted());
  CHECK(other(t, 1, 6).verdict == V::kAccepted);
  CHECK(status(t, 2, 3, true).event == E::kRestarted);
  CHECK(other(t, 2, 4).verdict == V::kAccepted);
}

TEST_CASE("the same generation after death is a return, but an old status is not") {
  SequenceTracker t;
  CHECK(status(t, 1, 5).accepted());
  CHECK(other(t, 1, 6).accepted());
  CHECK(status(t, 1, 5, true).verdict == V::kReplay);
  const SequenceResult r = status(t, 1, 7, true);
  CHECK(r.accepted());
  CHECK(r.event == E::kReturned);
}

TEST_CASE("what was said during a partition is not asked for after its return") {
  SequenceTracker t;
  CHECK(status(t, 1, 5).accepted());
  CHECK(other(t, 1, 7).verdict == V::kAcceptedGap);
  const SequenceResult r = status(t, 1, 30, true);
  CHECK(r.event == E::kReturned);
  CHECK(r.verdict == V::kAccepted);
  CHECK(t.missing().empty());
  CHECK(other(t, 1, 29).verdict == V::kReplay);
}

TEST_CASE("a healed partition may go on below the last number") {
  SequenceTracker t;
  CHECK(status(t, 1, 5).accepted());
  CHECK(other(t, 1, 40).accepted());
  t.forget(20);
  const SequenceResult r = status(t, 1, 20, true);
  CHECK(r.event == E::kReturned);
  CHECK(r.verdict == V::kAcceptedRewind);
  CHECK(t.last() == 20);
}

TEST_CASE("a peer that was declared dead unheard joins, it does not return") {
  SequenceTracker t;
  CHECK(other(t, 1, 3, true).event == E::kNone);
  CHECK(status(t, 1, 4, true).event == E::kNone);
}

TEST_CASE("a number that the sender cannot resend is forgotten") {
  SequenceTracker t;
  CHECK(status(t, 1, 1).accepted());
  CHECK(status(t, 1, 4).accepted());
  t.forget(2);
  t.forget(100);
  CHECK(t.missing().size() == 1);
  CHECK(other(t, 1, 2).verdict == V::kReplay);
}

TEST_CASE("numbers at the end of their range do not wrap") {
  SequenceTracker t;
  CHECK(status(t, UINT64_MAX, UINT64_MAX - 1).accepted());
  CHECK(status(t, UINT64_MAX, UINT64_MAX).verdict == V::kAccepted);
  CHECK(other(t, UINT64_MAX, 1).verdict == V::kReplay);
}
