// Everything that crosses between the engine and JavaScript: record layout, configuration layout, counter order.
// src/engine/records.ts and src/engine/config-codec.ts are the other half; abi_hash() ties the two together, so a
// stale build is refused at load instead of being misread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace twinbeat {

inline constexpr size_t kMaxNodes = 64;   // normal and ping nodes together, ourselves included
inline constexpr size_t kMaxLinks = 16;
inline constexpr size_t kMaxNodeNameBytes = 255;
inline constexpr size_t kMaxKeys = 16;
inline constexpr size_t kMaxHostsPerLink = 16;
inline constexpr size_t kMaxFieldsBytes = 60 * 1024;  // a datagram must hold the message with its signature

enum class RecordType : uint16_t {
  kPeerStatus = 1,
  kPeerUp = 2,
  kPeerLate = 3,
  kPeerDead = 4,
  kPeerReturned = 5,
  kPeerRestarted = 6,
  kLinkUp = 7,
  kLinkDown = 8,
  kLinkState = 9,
  kMessage = 10,
  kStepsDone = 11,
  kAddressLost = 12,
  kAddressConflict = 13,
  kInterface = 14,
  kAuthRejected = 15,
  kStall = 16,
  kHistoryFull = 17,
  kOverflow = 18,
  kPlanFired = 19,         // count: slot, previous: epoch, value_us: detected at, body: two moments, then results
  kPlanWithheld = 20,      // count: slot, previous: epoch, number: guard
  kControllerLapsed = 21,  // number: stage, value_us: how late
  kGroupReleased = 22,     // count: slot, previous: claim epoch
  kOwnershipExpired = 23,  // count: slot
  kGasp = 24,              // node, generation, previous: claim epoch, text: group, extra: digest
  kGuardianReady = 25,     // previous: revision
  kGuardianLost = 26,
};

inline constexpr uint8_t kFlagPing = 1;      // peer records: a ping node
inline constexpr uint8_t kFlagTwinbeat = 2;  // peer.status: `extra` is present
inline constexpr uint8_t kFlagWasDead = 4;   // peer.restarted
inline constexpr uint8_t kFlagOpen = 8;      // link.state
inline constexpr uint8_t kFlagOk = 16;       // steps.done, group.released
inline constexpr uint8_t kFlagUp = 32;       // interface
inline constexpr uint8_t kFlagCarrier = 64;  // interface
inline constexpr uint8_t kFlagMuted = 128;   // stall
inline constexpr uint8_t kFlagAsking = 8;    // stall: another one says how it ends

// Little endian, as the machine is. The variable part follows in this order: node, link, text, extra, body.
struct RecordHeader {
  uint32_t size;  // header and variable part
  uint16_t type;
  uint8_t flags;
  uint8_t reserved0;
  int64_t at_us;
  uint64_t generation;
  uint64_t previous;  // generation before, or a count, or a token
  int64_t value_us;
  uint32_t count;
  int32_t number;  // errno or reason
  uint16_t node_bytes;
  uint16_t link_bytes;
  uint16_t text_bytes;
  uint16_t extra_bytes;
  uint32_t body_bytes;
  uint32_t reserved1;
};
static_assert(sizeof(RecordHeader) == 64);
static_assert(offsetof(RecordHeader, at_us) == 8);
static_assert(offsetof(RecordHeader, generation) == 16);
static_assert(offsetof(RecordHeader, previous) == 24);
static_assert(offsetof(RecordHeader, value_us) == 32);
static_assert(offsetof(RecordHeader, count) == 40);
static_assert(offsetof(RecordHeader, node_bytes) == 48);
static_assert(offsetof(RecordHeader, body_bytes) == 56);

enum class RejectReason : uint8_t {
  kMalformed,
  kAuth,
  kWeakAuth,
  kUnknownNode,
  kOldGeneration,
  kReplay,
  kField,
  kOwnName,
};
inline constexpr size_t kRejectReasons = 8;

enum class LinkType : uint8_t {
  kBcast,
  kUcast,
  kMcast,
  kUcast6,
  kMcast6,
  kSerial,
  kPing,
  kPingGroup,
  kPing6,
  kLoopback,
};
inline constexpr size_t kLinkTypes = 10;

enum class Counter : uint8_t {
  kCycles,
  kStalls,
  kLatenessMaxUs,
  kHeartbeatsSent,
  kMessagesSent,
  kMessagesReceived,
  kDuplicates,
  kGaps,
  kRexmitRequested,
  kRexmitAnswered,
  kNakSent,
  kNakReceived,
  kAcksSent,
  kAcksReceived,
  kRecordsLost,
  kRescues,
  kStands,
  kStandsHeard,
};
inline constexpr size_t kCounters = 18;

// Change this text with every change of a layout above or of the configuration bytes.
inline constexpr std::string_view kAbiText = "twinbeat-abi 4: record 64, types 26, reasons 8, links 10, counters 18, kinds 8, guards 9";

constexpr uint32_t abi_hash() {
  uint32_t hash = 2166136261U;  // FNV-1a
  for (const char c : kAbiText) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619U;
  return hash;
}

}  // namespace twinbeat

