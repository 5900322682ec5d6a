#include "core/engine/publisher.h"

#include <array>

namespace twinbeat {

bool Publisher::push(const Record& record) noexcept {
  RecordHeader header{};
  const std::size_t size = sizeof(header) + record.node.size() + record.link.size() +
                           record.text.size() + record.extra.size() + record.body.size();
  header.size = static_cast<std::uint32_t>(size);
  header.type = static_cast<std::uint16_t>(record.type);
  header.flags = record.flags;
  header.at_us = record.at;
  header.generation = record.generation;
  header.previous = record.previous;
  header.value_us = record.value_us;
  header.count = record.count;
  header.number = record.number;
  header.node_bytes = static_cast<std::uint16_t>(record.node.size());
  header.link_bytes = static_cast<std::uint16_t>(record.link.size());
  header.text_bytes = static_cast<std::uint16_t>(record.text.size());
  header.extra_bytes = static_cast<std::uint16_t>(record.extra.size());
  header.body_bytes = static_cast<std::uint32_t>(record.body.size());
  const std::array<Bytes, 6> parts{
      Bytes{reinterpret_cast<const std::uint8_t*>(&header), sizeof(header)},
      as_bytes(record.node),
      as_bytes(record.link),
      as_bytes(record.text),
      as_bytes(record.extra),
      record.body};
  return port_.records.push(parts);
}

bool Publisher::publish(const Record& record) noexcept {
  dirty_ = true;
  if (lost_ > 0) {
    Record overflow{.type = RecordType::kOverflow, .at = record.at, .previous = lost_};
    if (push(overflow)) lost_ = 0;
  }
  if (lost_ == 0 && push(record)) return true;
  ++lost_;
  port_.count(Counter::kRecordsLost);
  return false;
}

}  // namespace twinbeat
