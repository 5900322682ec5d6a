#include "core/net/step_runner.h"

#include <cerrno>
#include <cstring>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "core/net/step_record.h"

namespace twinbeat::net {

int StepRunner::authority_error(const StepBatch& batch) const noexcept {
  if (batch.not_after_us != 0 && clock_() >= batch.not_after_us) return ETIME;
  const uint32_t stamp = stamps_[batch.group].load(std::memory_order_acquire);
  if (stamp != batch.stamp) return ECANCELED;
  return warden_ == nullptr ? 0 : warden_->still_valid(batch, clock_());
}

int StepRunner::refusal(const StepBatch& batch, const AddressStep& step) const noexcept {
  const int error = authority_error(batch);
  return error != 0 || warden_ == nullptr ? error : warden_->may_add(batch, step, clock_());
}

void StepRunner::run(const StepBatch& batch, const StepVerdicts* verdicts,
                     StepBatchResult& out) noexcept {
  out.token = batch.token;
  out.started_at_us = clock_();
  out.first_address_at_us = 0;
  out.first_announce_at_us = 0;
  const bool fits = batch.count <= kBatchStepsMax;
  out.failed = fits ? 0 : 1;
  out.count = fits ? batch.count : 0;
  view_.invalidate();
  const bool group_known = batch.group < kGroupsMax;
  for (size_t i = 0; i < out.count; ++i) {
    const StepVerdict verdict = verdicts == nullptr ? StepVerdict{} : (*verdicts)[i];
    // Whether a removal is true is asked of the kernel, not of what we made of its answers.
    const bool looks = batch.steps[i].op == StepOp::kQuery;
    if (looks && i > 0 && batch.steps[i - 1].op != StepOp::kQuery) view_.invalidate();
    if (group_known) {
      run_step(batch, i, verdict, out);
    } else {
      out.results[i] = StepResult{};
      out.results[i].index = static_cast<uint16_t>(i);
      out.results[i].error = EINVAL;
    }
  }
  // The last step may have waited for the kernel's lock while the authority ran out.
  if (group_known && authority_error(batch) != 0) undo_adds(batch, out);
  for (size_t i = 0; i < out.count; ++i) out.failed += out.results[i].error != 0 ? 1u : 0u;
  out.done_at_us = clock_();
}

void StepRunner::run_step(const StepBatch& batch, size_t index, const StepVerdict& verdict,
                          StepBatchResult& out) noexcept {
  const AddressStep& step = batch.steps[index];
  StepResult& result = out.results[index];
  result = StepResult{};
  result.index = static_cast<uint16_t>(index);
  result.error = validate_step(step);
  if (result.error != 0) return;
  const InterfaceRecord* interface = interfaces_.resolve(step.interface, step.ifindex);
  if (interface == nullptr) {
    // Nothing can be left on an interface that is not there.
    const bool removes = step.op == StepOp::kRemove;
    result.error = removes ? 0 : ENODEV;
    result.flags = removes ? uint16_t{kResultAlready} : uint16_t{0};
    return;
  }
  result.ifindex = interface->ifindex;
  switch (step.op) {
    case StepOp::kAdd:
      result.error = verdict.error != 0 ? verdict.error : refusal(batch, step);
      if (verdict.error == EADDRINUSE) {
        result.flags |= kResultConflict;
        result.mac = verdict.mac;
      }
      if (result.error != 0) {
        ++counters_.refused;
      } else if ((batch.flags & kBatchRefresh) != 0) {
        result.error = refresh(step, *interface, result);
      } else {
        result.error = add(batch, step, *interface, result, out);
      }
      return;
    case StepOp::kRemove:
      result.error = remove(batch, index, *interface, result);
      return;
    case StepOp::kAnnounce:
      result.error = query(step, *interface);
      if (result.error == 0) announce(step, *interface, result, out);
      return;
    case StepOp::kQuery:
      result.error = query(step, *interface);
      return;
  }
}

int StepRunner::add(const StepBatch& batch, const AddressStep& step,
                    const InterfaceRecord& interface, StepResult& result,
                    StepBatchResult& out) noexcept {
  AddressRecord record = record_of_step(step, interface);
  if (step.family == 4 && (step.flags & kStepAliasLabel) != 0 && step.label[0] == '\0') {
    choose_alias_label(record, interface);
  }
  if (const int error = insert(record, result); error != 0) return error;
  view_.invalidate(step.family);
  ++counters_.added;
  const Micros now = clock_();
  if (out.first_address_at_us == 0) out.first_address_at_us = now;
  (void)holdings_.note_added(step.family, step.address, interface, now);
  if ((step.flags & kStepQuiet) == 0 && authority_error(batch) == 0) {
    announce(step, interface, result, out);
  }
  return 0;
}

// The kernel would create what it cannot find, so it is looked for first: what somebody removed stays removed.
int StepRunner::refresh(const AddressStep& step, const InterfaceRecord& interface, StepResult& result) noexcept {
  if (const int error = query(step, interface); error != 0) return error;
  result.flags |= kResultAlready;
  uint8_t buffer[kAddressMessageBytesMax];
  const uint32_t sequence = socket_.next_sequence();
  AddressRecord record = record_of_step(step, interface);
  const AddressTable* table = view_.table(step.family);
  const AddressRecord* there = table == nullptr ? nullptr : table->find(step.family, step.address, interface.ifindex);
  if (there != nullptr) {
    // Everything but the lifetime stays as it is.
    record = restored_form(*there);
    record.valid_lft_s = step.valid_lft_s == 0 ? kLifetimeForever : step.valid_lft_s;
    record.preferred_lft_s = record.valid_lft_s;
    if (step.family == 6) record.flags |= IFA_F_NODAD;
  }
  const size_t bytes = encode_add(buffer, sequence, NLM_F_CREATE | NLM_F_REPLACE, record);
  return socket_.transact_one(Bytes(buffer, bytes), sequence);
}

// Two requests for an address that is there: the first learns it, the second gives the lifetime.
int StepRunner::insert(const AddressRecord& record, StepResult& result) noexcept {
  uint8_t buffer[kAddressMessageBytesMax];
  uint32_t sequence = socket_.next_sequence();
  size_t bytes = encode_add(buffer, sequence, NLM_F_CREATE | NLM_F_EXCL, record);
  int error = socket_.transact_one(Bytes(buffer, bytes), sequence);
  if (error != EEXIST) return error;
  result.flags |= kResultAlready;
  sequence = socket_.next_sequence();
  bytes = encode_add(buffer, sequence, NLM_F_CREATE | NLM_F_REPLACE, record);
  return socket_.transact_one(Bytes(buffer, bytes), sequence);
}

void StepRunner::announce(const AddressStep& step, const InterfaceRecord& interface,
                          StepResult& result, StepBatchResult& out) noexcept {
  const AnnounceOptions options{(step.flags & kStepRouter) != 0, step.announce_count,
                                step.announce_interval_us};
  const Micros now = clock_();
  if (!announcer_.hold(step.family, step.address, interface, options, now)) {
    result.flags |= kResultSilent;
  } else if (out.first_announce_at_us == 0) {
    out.first_announce_at_us = clock_();
  }
}

int StepRunner::query(const AddressStep& step, const InterfaceRecord& interface) noexcept {
  const AddressTable* table = view_.table(step.family);
  if (table == nullptr) return EIO;
  return table->find(step.family, step.address, interface.ifindex) != nullptr ? 0 : EADDRNOTAVAIL;
}

// The lowest number that no label of this interface bears, as ifconfig's aliases are counted.
void StepRunner::choose_alias_label(AddressRecord& record,
                                    const InterfaceRecord& interface) noexcept {
  const AddressTable* table = view_.table(4);
  if (table == nullptr) return;
  for (uint32_t number = 0; number <= table->count; ++number) {
    char label[kLabelBytes];
    if (!write_alias_label(label, interface.name, number)) return;  // too long: no label
    bool taken = false;
    for (uint32_t i = 0; i < table->count && !taken; ++i) {
      const AddressRecord& other = table->records[i];
      taken = other.ifindex == interface.ifindex && same_name(other.label, label);
      if (taken && same_address(4, other.address, record.address)) taken = false;
    }
    if (taken) continue;
    std::memcpy(record.label, label, sizeof(label));
    return;
  }
}

int StepRunner::remove(const StepBatch& batch, size_t index, const InterfaceRecord& interface,
                       StepResult& result) noexcept {
  const AddressStep& step = batch.steps[index];
  announcer_.release(step.family, step.address, interface.ifindex);
  holdings_.note_removing(step.family, step.address, interface.ifindex);
  const bool exact = (step.flags & kStepExactPrefix) != 0;
  bool removed = false;
  AddressTable* table = view_.table(step.family);
  for (uint32_t i = 0; table != nullptr && i < table->count;) {
    const AddressRecord record = table->records[i];
    if (record.ifindex != interface.ifindex || (exact && record.prefix != step.prefix) ||
        !same_address(step.family, record.address, step.address)) {
      ++i;
      continue;
    }
    const int error = remove_record(batch, index, record, result);
    if (error != 0 && error != EADDRNOTAVAIL) return error;
    removed = true;
    if (table->valid) {
      table->erase(i);
    } else {
      table = view_.table(step.family);  // neighbours moved: look again from the start
      i = 0;
    }
  }
  if (!removed) {
    if (const int error = remove_unseen(step, interface.ifindex, removed); error != 0) {
      return error;
    }
  }
  if (removed) {
    ++counters_.removed;
  } else {
    result.flags |= kResultAlready;
  }
  return 0;
}

// The table did not show it, or could not be read: the kernel's own word counts for a release.
int StepRunner::remove_unseen(const AddressStep& step, uint32_t ifindex, bool& removed) noexcept {
  constexpr int kLengthsMax = 33;  // an address can stand there once with each length
  AddressRecord record{};
  record.family = step.family;
  record.prefix = step.prefix;
  record.ifindex = ifindex;
  record.address = step.address;
  record.peer = step.address;
  // Without a length IPv4 takes any; IPv6 always wants the right one.
  const RemoveMode mode{(step.flags & kStepExactPrefix) != 0 || step.family == 6};
  for (int i = 0; i < kLengthsMax; ++i) {
    uint8_t buffer[kAddressMessageBytesMax];
    const uint32_t sequence = socket_.next_sequence();
    const size_t bytes = encode_remove(buffer, sequence, mode, record);
    const int error = socket_.transact_one(Bytes(buffer, bytes), sequence);
    if (error == EADDRNOTAVAIL || error == ENODEV) return 0;
    if (error != 0) return error;
    removed = true;
    view_.invalidate(step.family);
  }
  return 0;
}

bool StepRunner::is_removed_later(const StepBatch& batch, size_t index,
                                  const AddressRecord& record) const noexcept {
  for (size_t i = index + 1; i < batch.count; ++i) {
    const AddressStep& step = batch.steps[i];
    if (step.op != StepOp::kRemove || step.family != record.family) continue;
    if (!same_address(record.family, step.address, record.address)) continue;
    if (validate_step(step) != 0 || (step.flags & kStepExactPrefix) != 0) continue;
    const InterfaceRecord* interface = interfaces_.resolve(step.interface, step.ifindex);
    if (interface != nullptr && interface->ifindex == record.ifindex) return true;
  }
  return false;
}

size_t StepRunner::collect_secondaries(const StepBatch& batch, size_t index,
                                       const AddressRecord& primary) noexcept {
  secondaries_.clear();
  const AddressTable* table = view_.table(4);
  size_t hanging = 0;
  for (uint32_t i = 0; table != nullptr && i < table->count; ++i) {
    const AddressRecord& record = table->records[i];
    if (record.ifindex != primary.ifindex || record.prefix != primary.prefix) continue;
    if ((record.flags & IFA_F_SECONDARY) == 0) continue;
    if (!same_subnet(record.peer, primary.peer, primary.prefix)) continue;
    ++hanging;
    if (is_removed_later(batch, index, record)) continue;
    (void)secondaries_.push_back(Secondary{record, false, false});
  }
  return hanging;
}

int StepRunner::remove_record(const StepBatch& batch, size_t index, const AddressRecord& record,
                              StepResult& result) noexcept {
  const bool primary = record.family == 4 && (record.flags & IFA_F_SECONDARY) == 0;
  const size_t hanging = primary ? collect_secondaries(batch, index, record) : 0;
  if (hanging > 0) run_phase(Phase::kFooting);
  uint8_t buffer[kAddressMessageBytesMax];
  const uint32_t sequence = socket_.next_sequence();
  const size_t bytes = encode_remove(buffer, sequence, RemoveMode{true}, record);
  const int error = socket_.transact_one(Bytes(buffer, bytes), sequence);
  if (hanging > 0) {
    run_phase(Phase::kRestore);
    run_phase(Phase::kLift);
    view_.invalidate(4);
    if (!secondaries_.empty()) result.flags |= kResultRestored;
    for (const Secondary& secondary : secondaries_) {
      ++(secondary.restored ? counters_.restored : counters_.restore_failed);
    }
  }
  return error;
}

// One kind of request for every secondary, many in a datagram: the kernel works a datagram off
// without letting us wait between its messages.
void StepRunner::run_phase(Phase phase) noexcept {
  uint8_t buffer[kMessagesPerDatagram * kAddressMessageBytesMax];
  for (size_t from = 0; from < secondaries_.size(); from += kMessagesPerDatagram) {
    size_t used = 0;
    size_t count = 0;
    std::array<size_t, kMessagesPerDatagram> owner{};
    std::array<int, kMessagesPerDatagram> errors{};
    uint32_t first = 0;
    for (size_t i = from; i < secondaries_.size() && i < from + kMessagesPerDatagram; ++i) {
      const Secondary& secondary = secondaries_[i];
      if (phase == Phase::kLift && !(secondary.footing && secondary.restored)) continue;
      const uint32_t sequence = socket_.next_sequence();
      if (count == 0) first = sequence;
      const std::span<uint8_t> place(buffer + used, sizeof(buffer) - used);
      const AddressRecord footing = footing_of(secondary.record);
      if (phase == Phase::kLift) {
        used += encode_remove(place, sequence, RemoveMode{true}, footing);
      } else {
        used += encode_add(place, sequence, NLM_F_CREATE | NLM_F_EXCL,
                           phase == Phase::kFooting ? footing : restored_form(secondary.record));
      }
      owner[count++] = i;
    }
    if (count == 0) continue;
    (void)socket_.transact(Bytes(buffer, used), first, std::span(errors).first(count));
    for (size_t i = 0; i < count; ++i) {
      Secondary& secondary = secondaries_[owner[i]];
      if (phase == Phase::kFooting) secondary.footing = errors[i] == 0;
      // There already: the administrator lets the kernel promote secondaries.
      if (phase == Phase::kRestore) secondary.restored = errors[i] == 0 || errors[i] == EEXIST;
    }
  }
}

void StepRunner::undo_adds(const StepBatch& batch, StepBatchResult& out) noexcept {
  const int reason = authority_error(batch);
  view_.invalidate();
  for (size_t i = out.count; i-- > 0;) {
    StepResult& result = out.results[i];
    // What was there before this batch is not this batch's to take away.
    if (batch.steps[i].op != StepOp::kAdd || result.error != 0) continue;
    if ((result.flags & kResultAlready) != 0) continue;
    const InterfaceRecord* interface = interfaces_.by_index(result.ifindex);
    StepResult ignored{};
    const int error = interface == nullptr ? 0 : remove(batch, i, *interface, ignored);
    result.error = error != 0 ? error : reason;
    if (error == 0) {
      result.flags |= kResultUndone;
      ++counters_.undone;
    }
  }
}

}  // namespace twinbeat::net
