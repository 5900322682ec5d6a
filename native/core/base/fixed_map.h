// A map for a handful of keys (peers, links): linear search, insertion order, no allocation.
#pragma once

#include <cstddef>

#include "core/base/fixed_vector.h"

namespace twinbeat {

template <typename Key, typename Value, std::size_t Capacity>
class FixedMap {
 public:
  struct Entry {
    Key key{};
    Value value{};
  };

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

  [[nodiscard]] Value* find(const Key& key) noexcept {
    for (Entry& entry : entries_) {
      if (entry.key == key) return &entry.value;
    }
    return nullptr;
  }

  // The value of `key`, made with its default if it was not there; nullptr when full.
  [[nodiscard]] Value* find_or_insert(const Key& key) noexcept {
    if (Value* found = find(key)) return found;
    if (entries_.push_back(Entry{key, Value{}}) != Status::kOk) return nullptr;
    return &entries_[entries_.size() - 1].value;
  }

  void clear() noexcept { entries_.clear(); }
  [[nodiscard]] Entry* begin() noexcept { return entries_.begin(); }
  [[nodiscard]] Entry* end() noexcept { return entries_.end(); }

 private:
  FixedVector<Entry, Capacity> entries_;
};

}  // namespace twinbeat
