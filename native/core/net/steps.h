// What crosses between the owner of the netlink thread and that thread: plain records of fixed
// size, copied into rings. Nothing here decides anything: the steps were decided before they came.
//
// An address is 16 bytes in network order; IPv4 uses the first four. `family` is 4 or 6, so that
// the records mean the same on both sides of every boundary and AF_* never leaves this folder.
#pragma once

#include <cstddef>
#include <cstdint>

namespace twinbeat::net {

inline constexpr size_t kInterfaceNameBytes = 16;  // IFNAMSIZ, with the final NUL
inline constexpr size_t kLabelBytes = 16;          // the kernel's limit for IFA_LABEL, with NUL
inline constexpr size_t kBatchStepsMax = 256;      // steps per plan, architecture limit
inline constexpr size_t kWatchMax = 256;           // one per address that a full batch can hold
inline constexpr size_t kWatchInterfacesMax = 64;  // links 16, interfaces of addresses, some spare
inline constexpr size_t kGroupsMax = 256;          // stamps, see NetThread::void_group

struct Address {
  uint8_t bytes[16];
};

struct Mac {
  uint8_t bytes[6];
};

enum class StepOp : uint8_t { kAdd = 1, kRemove = 2, kAnnounce = 3, kQuery = 4 };

enum StepFlag : uint16_t {
  kStepProbe = 1 << 0,         // ask first whether somebody else has the address (bounded wait)
  kStepNoBroadcast = 1 << 1,   // do not compute a broadcast address when none is given
  kStepBroadcastSet = 1 << 2,  // `broadcast` holds one
  kStepAliasLabel = 1 << 3,    // no label given: take the lowest free "<interface>:<n>"
  kStepQuiet = 1 << 4,         // add without announcing
  kStepNoPrefixRoute = 1 << 5,
  kStepRouter = 1 << 6,   // IPv6: we forward, neighbours must keep us as a router
  kStepExactPrefix = 1 << 7,  // remove only this prefix length, not the address as such
};
inline constexpr uint16_t kStepFlagsKnown = (1 << 8) - 1;

// An add makes the address present with exactly this lifetime (one that is there already gets
// the new lifetime). A remove makes it absent from the interface whatever its prefix length.
// An announce starts the burst again for an address that is present. A query asks whether the
// address is on the interface (EADDRNOTAVAIL if not) and changes nothing.
struct AddressStep {
  StepOp op;
  uint8_t family;
  uint8_t prefix;
  uint8_t reserved;
  uint16_t flags;
  uint16_t probe_ms;     // kStepProbe: how long to listen; 0 = the default of NetConfig
  uint32_t ifindex;      // used when `interface` is empty
  uint32_t valid_lft_s;  // 0 = for ever
  Address address;
  uint8_t broadcast[4];
  char interface[kInterfaceNameBytes];  // wins over ifindex: a recreated interface keeps its name
  char label[kLabelBytes];              // empty: none (or kStepAliasLabel)
  uint32_t announce_interval_us;        // of the burst, with announce_count
  uint16_t announce_count;              // 0 = the burst of NetConfig
  uint16_t reserved2;
};
static_assert(sizeof(AddressStep) == 76, "part of the ABI");

enum BatchFlag : uint32_t {
  // Renews lifetimes: an add of an address that is not there does nothing (EADDRNOTAVAIL), and nothing is announced.
  kBatchRefresh = 1 << 0,
};

struct StepBatch {
  uint64_t token;        // returned with the result
  int64_t not_after_us;  // CLOCK_BOOTTIME; adds are refused (ETIME) from then on; 0 = no deadline
  uint32_t group;        // < kGroupsMax; whose stamp `stamp` is
  uint32_t stamp;        // adds are refused (ECANCELED) when the stamp of the group moved on
  uint32_t count;
  uint32_t flags;        // BatchFlag
  AddressStep steps[kBatchStepsMax];
};

enum ResultFlag : uint16_t {
  kResultAlready = 1 << 0,   // add: it was there; remove: it was not
  kResultRestored = 1 << 1,  // remove: neighbours that hung on this address were kept alive
  kResultSilent = 1 << 2,    // done, but this interface cannot carry an announcement
  kResultConflict = 1 << 3,  // add: the probe heard another owner (errno EADDRINUSE), see mac
  kResultUndone = 1 << 4,    // add: deadline or stamp passed meanwhile, taken back
};

struct StepResult {
  uint16_t index;
  uint16_t flags;
  int32_t error;  // errno, 0 = done
  uint32_t ifindex;
  Mac mac;  // of the other owner with kResultConflict
  uint16_t reserved;
};
static_assert(sizeof(StepResult) == 20, "part of the ABI");

struct StepBatchResult {
  uint64_t token;
  int64_t started_at_us;
  int64_t first_address_at_us;   // 0 = no address was added
  int64_t first_announce_at_us;  // 0 = nothing was announced
  int64_t done_at_us;
  uint32_t count;
  uint32_t failed;  // results with an errno
  StepResult results[kBatchStepsMax];
};

enum class NetEventType : uint16_t {
  kAddressLost = 1,      // one of ours is gone, and it was not us who removed it
  kAddressConflict = 2,  // another MAC announced one of ours
  kInterface = 3,        // a watched interface appeared, changed or went
};

enum InterfaceFlag : uint8_t {
  kInterfacePresent = 1 << 0,
  kInterfaceUp = 1 << 1,
  kInterfaceCarrier = 1 << 2,
  kInterfaceRecreated = 1 << 3,  // same name, another ifindex than before
};

struct NetEvent {
  int64_t at_us;
  NetEventType type;
  uint8_t family;
  uint8_t interface_flags;
  uint32_t ifindex;
  Address address;
  char interface[kInterfaceNameBytes];
  Mac mac;
  uint16_t reserved;
  uint32_t repeats;  // conflicts that were heard since the last event and not reported singly
  uint32_t reserved2;
};
static_assert(sizeof(NetEvent) == 64, "part of the ABI");

struct WatchAddress {
  Address address;
  uint8_t family;
  uint8_t reserved[3];
  char interface[kInterfaceNameBytes];  // empty: any interface
};

struct WatchList {
  uint32_t address_count;
  uint32_t interface_count;
  WatchAddress addresses[kWatchMax];
  char interfaces[kWatchInterfacesMax][kInterfaceNameBytes];
};

}  // namespace twinbeat::net
