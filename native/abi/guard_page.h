// The page that the daemon shares with its guardian (a sealed memfd). It must stay meaningful when the daemon dies
// between any two of its instructions, and the guardian must survive any bytes in it: every word is atomic or lies
// behind a sequence number, every count and index is checked by the reader, nothing is a pointer.
//
// Who writes what:
//   the thread that sends address changes   its lock
//   engine thread                           progress_at, plans, groups, limits
//   the threads that watch the engine       stood_at
//   guardian                                everything in GuardianWords; keep_until when a `keep` arrives
// A guardian belongs to one life of a daemon and is built together with it: another layout is refused, not converted.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace twinbeat::guard {

inline constexpr std::size_t kLocks = 4;          // today one thread sends address changes
inline constexpr std::size_t kNetLock = 0;        // the netlink thread's
inline constexpr std::size_t kGroupsMax = 64;     // groupsMax of src/engine/authority.ts
inline constexpr std::size_t kAddressesMax = 512; // of all groups together
inline constexpr std::size_t kGroupNameBytes = 128;
inline constexpr std::size_t kInterfaceBytes = 16;
inline constexpr std::size_t kGaspBytesMax = 1536;
// For longer than this nobody waits for a node whose processor stands: it is broken.
inline constexpr std::int64_t kStandMostUs = 250'000;

// A robust, process-shared mutex. The kernel hands it over when its owner dies, whatever killed it.
struct alignas(64) ThreadLock {
  pthread_mutex_t mutex;
  std::atomic<std::uint32_t> taken;    // by its thread; 0 again before an orderly unlock
  std::atomic<std::uint32_t> watched;  // by the guardian: number of the take it waits on
  std::atomic<std::uint32_t> takes;    // counts them
};

// kKilled: services, all of them processes in a control group that the guardian ends with the daemon.
enum class GroupKind : std::uint8_t { kAddress = 1, kService = 2, kKilled = 3 };

// One address that this node could ever add.
struct PlanAddress {
  std::uint8_t family;  // 4 or 6
  std::uint8_t prefix;
  std::uint8_t group;   // < kGroupsMax
  std::uint8_t reserved;
  std::uint32_t ifindex;  // when the plan was made; 0: not known
  std::uint8_t bytes[16];
  char interface[kInterfaceBytes];  // with its NUL
};
static_assert(sizeof(PlanAddress) == 40);

struct PlanGroup {
  std::uint8_t used;  // 0 or 1
  GroupKind kind;
  std::uint8_t reserved[6];
  char name[kGroupNameBytes];  // with its NUL
};
static_assert(sizeof(PlanGroup) == 136);

// Two copies; the one that is not current is written, then becomes current. Odd: being written.
struct ReleasePlan {
  std::atomic<std::uint64_t> sequence;
  std::uint64_t revision;  // of setGroups
  std::uint32_t address_count;
  std::uint32_t reserved;
  PlanGroup groups[kGroupsMax];
  PlanAddress addresses[kAddressesMax];
};

struct Gasp {
  std::atomic<std::uint32_t> valid;  // 1: both are whole; written last, cleared first
  std::uint16_t datagram_bytes;      // for sockets
  std::uint16_t line_bytes;          // for serial lines; 0: there are none
  std::uint64_t claim_epoch;         // that it speaks of
  std::uint8_t datagram[kGaspBytesMax];
  std::uint8_t line[kGaspBytesMax];
};

struct alignas(64) GroupWords {
  std::atomic<std::uint32_t> held;
  std::atomic<std::uint32_t> peer_ready;
  std::atomic<std::uint32_t> agent_busy;
  std::atomic<std::uint32_t> owned;        // an ownership (lease or lock) is in force
  std::atomic<std::uint64_t> claim_epoch;
  std::atomic<std::int64_t> release_by_us;    // CLOCK_BOOTTIME; 0: none
  std::atomic<std::int64_t> owned_until_us;   // somebody else may own it from then on; 0: not owned, or stopped here
  std::atomic<std::int64_t> valid_until_us;   // `keep` refreshes lifetimes to at most this; 0: for ever
  Gasp gasp;
};

struct Limits {
  std::atomic<std::int64_t> freeze_us;  // progress older than this counts as frozen; 0: never
  std::atomic<std::uint32_t> realtime;  // the engine thread has SCHED_FIFO
  std::atomic<std::uint32_t> running;   // the engine thread runs: progress is expected
  std::atomic<std::int64_t> lifetime_s; // valid_lft of added addresses outside an ownership; 0: for ever
  std::atomic<std::int64_t> controller_fresh_until_us;  // the watchdog is petted until then; 0: no rule
};

enum class WatchdogState : std::uint32_t { kNone, kPetted, kStarving, kFailed };
enum class GuardianState : std::uint32_t { kNone, kGuarding, kKeeping, kActing, kDone };

struct alignas(64) GuardianWords {
  std::atomic<std::uint32_t> pid;  // 0: none yet
  std::atomic<GuardianState> state;
  std::atomic<std::uint64_t> acknowledged;  // revision of the plan that it has copied to its own memory
  std::atomic<std::int64_t> beat_at_us;     // last time that it ran
  std::atomic<std::uint32_t> realtime;
  std::atomic<std::uint32_t> memory_locked;
  std::atomic<std::uint32_t> watchdog_state;      // WatchdogState
  std::atomic<std::int32_t> watchdog_errno;
  std::atomic<std::uint32_t> watchdog_timeout_s;  // as read back from the device
  std::atomic<std::uint32_t> watchdog_nowayout;
  std::atomic<std::int64_t> petted_at_us;
};

struct Page {
  std::uint64_t magic;
  std::uint32_t layout_hash;
  std::uint32_t page_bytes;
  ThreadLock locks[kLocks];
  alignas(64) std::atomic<std::int64_t> progress_at_us;
  // The processor on which the engine runs stood, and the peer was asked to wait: that is no freeze yet.
  std::atomic<std::int64_t> stood_at_us;
  std::atomic<std::int64_t> keep_until_us;  // 0: not asked for
  alignas(64) Limits limits;
  GuardianWords guardian;
  std::atomic<std::uint32_t> current_plan;  // 0 or 1
  ReleasePlan plans[2];
  GroupWords groups[kGroupsMax];
};

static_assert(std::is_standard_layout_v<Page>);
static_assert(std::atomic<std::int64_t>::is_always_lock_free && std::atomic<std::uint32_t>::is_always_lock_free);

inline constexpr std::uint64_t kPageMagic = 0x7462677561726431;  // "tbguard1"
// Change this text with every change of meaning that the sizes below do not show.
inline constexpr std::string_view kLayoutText = "twinbeat guard page 3";

constexpr std::uint32_t layout_hash() {
  std::uint32_t hash = 2166136261U;  // FNV-1a
  for (const char c : kLayoutText) hash = (hash ^ static_cast<std::uint8_t>(c)) * 16777619U;
  for (const std::size_t word :
       {sizeof(Page), sizeof(pthread_mutex_t), sizeof(ThreadLock), sizeof(ReleasePlan), sizeof(GroupWords),
        offsetof(Page, progress_at_us), offsetof(Page, limits), offsetof(Page, guardian), offsetof(Page, plans),
        offsetof(Page, groups), offsetof(GroupWords, gasp), kLocks, kGroupsMax, kAddressesMax}) {
    hash = (hash ^ static_cast<std::uint32_t>(word)) * 16777619U;
  }
  return hash;
}

// On the bell, a SOCK_SEQPACKET pair between engine and guardian. One byte says what the datagram is.
enum class BellWord : std::uint8_t {
  kLook = 1,   // daemon: something in the page has changed that the guardian acts on or acknowledges
  kLinks = 2,  // daemon: LinkHandover with its descriptors
  kAck = 3,    // guardian: GuardianWords has changed
};

enum class LinkWay : std::uint8_t { kDatagram = 1, kSerial = 2 };

// Where a last gasp goes: one per destination of a link; `descriptor` counts the descriptors sent along.
struct LinkTarget {
  LinkWay way;
  std::uint8_t descriptor;
  std::uint16_t address_bytes;  // kDatagram: of `address`, 0: the socket is connected
  std::uint8_t address[28];     // sockaddr_in or sockaddr_in6
};
static_assert(sizeof(LinkTarget) == 32);

inline constexpr std::size_t kLinkTargetsMax = 32;

// Replaces what was handed over before.
struct LinkHandover {
  BellWord word;
  std::uint8_t target_count;
  std::uint8_t descriptor_count;
  std::uint8_t reserved;
  LinkTarget targets[kLinkTargetsMax];
};

}  // namespace twinbeat::guard
