#include "core/takeover/take_gate.h"

#include <linux/if.h>

#include <cstring>

namespace twinbeat {

void TakeGate::thread_begins() noexcept {
  locked_ = board_.guarded.load(std::memory_order_acquire) && board_.page.take_lock(guard::kNetLock) == 0;
}

void TakeGate::thread_ends() noexcept {
  if (locked_) board_.page.drop_lock(guard::kNetLock);
  locked_ = false;
}

void TakeGate::look(const net::InterfaceTable& interfaces) noexcept {
  // The guardian may come after the thread has begun.
  if (!locked_ && board_.guarded.load(std::memory_order_acquire)) thread_begins();
  static_cast<void>(acknowledged());
  const std::size_t places = board_.interfaces.size();
  for (std::size_t place = 0; place < places; ++place) {
    const net::InterfaceRecord* record = interfaces.by_name(board_.interfaces.name(place));
    InterfaceWord word = board_.interfaces.word(place);
    const std::uint64_t before = word.pack();
    word.present = record != nullptr;
    word.up = record != nullptr && (record->flags & IFF_UP) != 0;
    word.carrier = record != nullptr && record->has_carrier;
    if (record != nullptr) {
      Seen& seen = seen_[place];
      std::uint64_t mac = 0;
      if (record->has_mac) std::memcpy(&mac, record->mac.bytes, sizeof(record->mac.bytes));
      if (word.identity == 0 || seen.ifindex != record->ifindex || seen.mac != mac) ++word.identity;
      seen = {record->ifindex, mac};
    }
    if (word.identity == 0) word.identity = 1;
    if (word.pack() != before) board_.interfaces.update(place, word);
  }
}

// During a change of the table two revisions exist: what counts is the one that the guardian has copied.
const GroupTable* TakeGate::acknowledged() noexcept {
  const GroupTable* newest = board_.table.load(std::memory_order_acquire);
  const std::uint64_t revision = board_.page.acknowledged();
  if (newest != nullptr && newest->revision == revision) held_ = newest;
  if (held_ != nullptr) board_.net_looks_at.store(held_->revision, std::memory_order_release);
  return held_ != nullptr && held_->revision == revision ? held_ : nullptr;
}

int TakeGate::may_add(const net::StepBatch& batch, const net::AddressStep& step, Micros now) noexcept {
  if (const int error = still_valid(batch, now); error != 0) return error;
  // The engine's own refresh keeps what is held; it needs no controller, and never creates anything.
  const bool refresh = (batch.flags & net::kBatchRefresh) != 0;
  if (!refresh && !board_.lease.fresh(now)) return kControllerLate;
  if (!board_.guarded.load(std::memory_order_acquire)) return 0;
  const GroupTable* table = acknowledged();
  if (table == nullptr || !board_.page.guarded(guard::kNetLock, table->revision)) return kNotGuarded;
  const bool known = batch.group < kSlots ? table->holds(batch.group, step) : table->holds_anywhere(step);
  return known ? 0 : kNotGuarded;
}

int TakeGate::still_valid(const net::StepBatch& batch, Micros now) noexcept {
  if (board_.lease.ended()) return kLifeIsOver;
  if (batch.group < kSlots && !board_.ownership[batch.group].permits(now)) return kNotOwned;
  return 0;
}

}  // namespace twinbeat
