#include "core/link/link_manual.h"

#include <unistd.h>

#include <algorithm>

namespace twinbeat {

std::unique_ptr<Link> ManualHub::make(const LinkSpec& spec, std::uint16_t, void* context) {
  return std::make_unique<ManualLink>(spec, *static_cast<ManualHub*>(context));
}

bool ManualHub::inject(std::string_view link, Bytes bytes, Micros at) {
  for (ManualLink* one : links_) {
    if (one->spec().name == link && one->is_open()) {
      one->waiting_.push_back({{bytes.begin(), bytes.end()}, at});
      return true;
    }
  }
  return false;
}

std::vector<ManualPacket> ManualHub::collect() {
  std::vector<ManualPacket> sent;
  sent.swap(sent_);
  return sent;
}

void ManualHub::break_link(std::string_view link, int error) {
  for (ManualLink* one : links_) {
    if (one->spec().name == link) one->broken_ = error;
  }
}

ManualLink::ManualLink(const LinkSpec& spec, ManualHub& hub) : Link(spec), hub_(hub) {
  hub_.links_.push_back(this);
}

ManualLink::~ManualLink() {
  std::erase(hub_.links_, this);
  if (spec_.fd >= 0) ::close(spec_.fd);
}

int ManualLink::open() noexcept {
  open_ = broken_ == 0;
  return last_error_ = broken_;
}

SendResult ManualLink::send(const Outgoing& out, const Cycle&) noexcept {
  if (broken_ != 0) return failed_send(broken_);
  const Bytes bytes = wants_classic() ? out.classic : out.netstring;
  hub_.sent_.push_back({std::string(spec_.name.view()), {bytes.begin(), bytes.end()}});
  return SendResult::kSent;
}

bool ManualLink::receive(PacketSink& sink, const Cycle& cycle, ReceiveArena&) noexcept {
  if (waiting_.empty()) return false;
  const Waiting first = std::move(waiting_.front());
  waiting_.pop_front();
  sink.packet(first.bytes, std::min(first.at, cycle.now), {});
  return !waiting_.empty();
}

}  // namespace twinbeat
