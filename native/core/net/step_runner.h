// Carries out a batch of steps, one after the other, each finished before the next begins. Checks
// authority (deadline and stamp of the batch) before every add and once more after the last step;
// a remove needs none. Netlink thread only.
//
// IPv4 knows primary and secondary addresses: the first of a subnet on an interface is primary,
// and the kernel removes its secondaries together with it (the sysctl that promotes them belongs
// to the administrator). So a remove of a primary first gives each secondary a second footing as
// a host address, and takes that away after the secondary is back: at no moment is it gone, and
// the interface never loses its last address, which would flush its routes.
#pragma once

#include <array>
#include <atomic>

#include "core/net/address_view.h"
#include "core/net/announcer.h"
#include "core/net/holdings.h"
#include "core/net/warden.h"

namespace twinbeat::net {

// What a probe found out, or a later remove demanded, before a batch runs.
struct StepVerdict {
  int error = 0;  // EADDRINUSE or ECANCELED: the add is refused
  Mac mac{};
};
using StepVerdicts = std::array<StepVerdict, kBatchStepsMax>;

using GroupStamps = std::array<std::atomic<uint32_t>, kGroupsMax>;
using ClockFunction = Micros (*)();

struct StepCounters {
  uint64_t added = 0;
  uint64_t removed = 0;
  uint64_t restored = 0;        // secondaries kept alive
  uint64_t restore_failed = 0;  // secondaries that could not get their old form back
  uint64_t refused = 0;         // adds without authority
  uint64_t undone = 0;
};

class StepRunner {
 public:
  StepRunner(NetlinkSocket& socket, AddressView& view, const InterfaceTable& interfaces,
             Announcer& announcer, Holdings& holdings, const GroupStamps& stamps,
             ClockFunction clock) noexcept
      : socket_(socket),
        view_(view),
        interfaces_(interfaces),
        announcer_(announcer),
        holdings_(holdings),
        stamps_(stamps),
        clock_(clock) {}

  // Asked before every add; nullptr: nobody is.
  void set_warden(Warden* warden) noexcept { warden_ = warden; }
  // `verdicts` may be nullptr. Fills the whole of `out`.
  void run(const StepBatch& batch, const StepVerdicts* verdicts, StepBatchResult& out) noexcept;
  [[nodiscard]] const StepCounters& counters() const noexcept { return counters_; }

 private:
  static constexpr size_t kMessagesPerDatagram = 32;
  enum class Phase : uint8_t { kFooting, kRestore, kLift };

  void run_step(const StepBatch& batch, size_t index, const StepVerdict& verdict,
                StepBatchResult& out) noexcept;
  [[nodiscard]] int add(const StepBatch& batch, const AddressStep& step,
                        const InterfaceRecord& interface, StepResult& result,
                        StepBatchResult& out) noexcept;
  [[nodiscard]] int insert(const AddressRecord& record, StepResult& result) noexcept;
  [[nodiscard]] int remove(const StepBatch& batch, size_t index, const InterfaceRecord& interface,
                           StepResult& result) noexcept;
  [[nodiscard]] int remove_unseen(const AddressStep& step, uint32_t ifindex,
                                  bool& removed) noexcept;
  [[nodiscard]] int remove_record(const StepBatch& batch, size_t index, const AddressRecord& record,
                                  StepResult& result) noexcept;
  [[nodiscard]] int query(const AddressStep& step, const InterfaceRecord& interface) noexcept;
  void announce(const AddressStep& step, const InterfaceRecord& interface, StepResult& result,
                StepBatchResult& out) noexcept;
  void undo_adds(const StepBatch& batch, StepBatchResult& out) noexcept;

  [[nodiscard]] int authority_error(const StepBatch& batch) const noexcept;
  [[nodiscard]] int refusal(const StepBatch& batch, const AddressStep& step) const noexcept;
  [[nodiscard]] int refresh(const AddressStep& step, const InterfaceRecord& interface, StepResult& result) noexcept;
  [[nodiscard]] bool is_removed_later(const StepBatch& batch, size_t index,
                                      const AddressRecord& record) const noexcept;
  [[nodiscard]] size_t collect_secondaries(const StepBatch& batch, size_t index,
                                           const AddressRecord& primary) noexcept;
  void run_phase(Phase phase) noexcept;
  void choose_alias_label(AddressRecord& record, const InterfaceRecord& interface) noexcept;

  NetlinkSocket& socket_;
  AddressView& view_;
  const InterfaceTable& interfaces_;
  Announcer& announcer_;
  Holdings& holdings_;
  const GroupStamps& stamps_;
  ClockFunction clock_;
  Warden* warden_ = nullptr;
  StepCounters counters_;

  struct Secondary {
    AddressRecord record;
    bool footing = false;   // our temporary host address stands
    bool restored = false;
  };
  FixedVector<Secondary, kAddressTableMax> secondaries_;
};

}  // namespace twinbeat::net
