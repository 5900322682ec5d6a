#include "core/wire/decoder.h"

#include <algorithm>

#include "core/base/assert.h"

namespace twinbeat {

Opened Decoder::decode(Bytes input) noexcept {
  return open_message(input, keyring_, buffer_.message());
}

Opened Decoder::decode_in_order(Bytes input) noexcept {
  Opened opened = decode(input);
  if (!opened.ok() || !opened.sequenced) return opened;
  const bool is_status = message().text("t") == std::string_view("status");
  const SequenceResult result =
      find_sender().tracker.judge({opened.generation, opened.seq, is_status, false});
  if (result.accepted()) return opened;
  switch (result.verdict) {
    case SequenceVerdict::kOldGeneration:
      opened.reason = Reason::kOldGeneration;
      opened.detail = "a newer generation of this sender was heard before";
      break;
    case SequenceVerdict::kDuplicate:
      opened.reason = Reason::kReplay;
      opened.detail = "this sequence number was the last one heard";
      break;
    default:
      opened.reason = Reason::kReplay;
      opened.detail = "this sequence number was heard before or given up";
      break;
  }
  return opened;
}

bool Decoder::is_sender(const Sender& sender, Bytes uuid, std::string_view name) noexcept {
  if (uuid.size() == kUuidBytes && sender.has_uuid) {
    return std::equal(uuid.begin(), uuid.end(), sender.uuid.begin());
  }
  return name.substr(0, kMaxNodeNameBytes) == std::string_view(sender.name.data(), sender.name_size);
}

Decoder::Sender& Decoder::find_sender() noexcept {
  const Field* uuid_field = message().find("srcuuid");
  const Bytes uuid = uuid_field == nullptr ? Bytes{} : uuid_field->value;
  const std::string_view name = message().text("src").value_or("");
  for (Sender& sender : senders_) {
    if (is_sender(sender, uuid, name)) return sender;
  }
  std::size_t index = senders_.size();
  if (senders_.full()) {
    index = next_replaced_;
    next_replaced_ = (next_replaced_ + 1) % kMaxSenders;
    senders_[index].tracker.reset();
  } else {
    const Status status = senders_.push_back({});
    TB_ASSERT(status == Status::kOk, "the list was not full");
  }
  Sender& sender = senders_[index];
  sender.has_uuid = uuid.size() == kUuidBytes;
  if (sender.has_uuid) std::copy(uuid.begin(), uuid.end(), sender.uuid.begin());
  sender.name_size = std::min(name.size(), kMaxNodeNameBytes);
  std::copy_n(name.begin(), sender.name_size, sender.name.begin());
  return sender;
}

}  // namespace twinbeat
