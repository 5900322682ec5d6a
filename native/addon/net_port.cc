#include "addon/net_port.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "core/base/clock.h"
#include "core/base/bytes.h"
#include "core/net/step_codec.h"

namespace twinbeat {

constexpr Micros kAnswerLimitUs = 20'000'000;

namespace {

// Below the engine's priority: an address can wait for a heartbeat, never the other way round.
constexpr int kNetPriority = 5;
// A batch's results with their header, and an event: what must be free before one is taken from the ring.
constexpr std::size_t kResultRoom = sizeof(RecordHeader) + net::kBatchStepsMax * 8;
constexpr std::size_t kEventRoom = sizeof(RecordHeader) + 128;

std::string address_text(std::uint8_t family, const net::Address& address) {
  char text[INET6_ADDRSTRLEN] = "";
  static_cast<void>(::inet_ntop(family == 4 ? AF_INET : AF_INET6, address.bytes, text, sizeof(text)));
  return text;
}

std::size_t write_record(std::span<std::uint8_t> out, RecordHeader header, std::string_view link,
                         std::string_view text, Bytes body) {
  header.link_bytes = static_cast<std::uint16_t>(link.size());
  header.text_bytes = static_cast<std::uint16_t>(text.size());
  header.body_bytes = static_cast<std::uint32_t>(body.size());
  const std::size_t size = sizeof(header) + link.size() + text.size() + body.size();
  header.size = static_cast<std::uint32_t>(size);
  ByteWriter writer(out);
  writer.bytes({reinterpret_cast<const std::uint8_t*>(&header), sizeof(header)});
  writer.text(link);
  writer.text(text);
  writer.bytes(body);
  return writer.ok() ? size : 0;
}

std::size_t write_result(std::span<std::uint8_t> out, const net::StepBatchResult& result) {
  RecordHeader header{};
  header.type = static_cast<std::uint16_t>(RecordType::kStepsDone);
  header.at_us = result.done_at_us;
  header.previous = result.token;
  header.flags = result.failed == 0 ? kFlagOk : std::uint8_t{0};
  std::array<std::uint8_t, net::kBatchStepsMax * 8> body;
  std::size_t used = 0;
  for (std::uint32_t i = 0; i < result.count && i < net::kBatchStepsMax; ++i) {
    const std::uint32_t index = result.results[i].index;
    const std::int32_t error = result.results[i].error;
    std::memcpy(&body[used], &index, sizeof(index));
    std::memcpy(&body[used + 4], &error, sizeof(error));
    used += 8;
  }
  return write_record(out, header, {}, {}, {body.data(), used});
}

std::size_t write_event(std::span<std::uint8_t> out, const net::NetEvent& event) {
  RecordHeader header{};
  header.at_us = event.at_us;
  const std::string_view interface(event.interface, ::strnlen(event.interface, sizeof(event.interface)));
  const std::string address = address_text(event.family, event.address);
  switch (event.type) {
    case net::NetEventType::kAddressLost:
      header.type = static_cast<std::uint16_t>(RecordType::kAddressLost);
      return write_record(out, header, interface, address, {});
    case net::NetEventType::kAddressConflict:
      header.type = static_cast<std::uint16_t>(RecordType::kAddressConflict);
      return write_record(out, header, interface, address, {event.mac.bytes, sizeof(event.mac.bytes)});
    case net::NetEventType::kInterface: {
      header.type = static_cast<std::uint16_t>(RecordType::kInterface);
      const bool up = (event.interface_flags & net::kInterfaceUp) != 0;
      const bool carrier = (event.interface_flags & net::kInterfaceCarrier) != 0;
      header.flags = static_cast<std::uint8_t>((up ? kFlagUp : 0) | (carrier ? kFlagCarrier : 0));
      return write_record(out, header, interface, {}, {});
    }
  }
  return 0;
}

}  // namespace

bool NetPort::ensure_running() {
  if (thread_ == nullptr) {
    thread_ = std::make_unique<net::NetThread>();
    result_ = std::make_unique<net::StepBatchResult>();
  }
  if (thread_->is_running()) return true;
  net::NetConfig config;
  config.wake_fd = wake_fd_;
  config.engine_wake_fd = engine_wake_fd_;
  config.warden = &gate_;
  config.realtime_priority = kNetPriority;
  const net::NetStartReport report = thread_->start(config);
  error_ = report.open.netlink_errno != 0 ? report.open.netlink_errno : report.thread_errno;
  if (report.running()) for_engine_.store(thread_.get(), std::memory_order_release);
  return report.running();
}

NetPort::Answer NetPort::look() {
  if (!ensure_running()) return Answer::kFailed;
  thread_->wake();
  return Answer::kQueued;
}

NetPort::Answer NetPort::run_steps(std::uint64_t token, Bytes steps, std::uint32_t slot, Micros not_after) {
  if (!ensure_running()) return Answer::kFailed;
  net::StepBatch* batch = thread_->claim(net::Feeder::kController);
  if (batch == nullptr) return Answer::kFull;
  const std::uint32_t count = net::parse_steps(steps, batch->steps);
  if (count == 0) return Answer::kInvalid;
  batch->token = token;
  // The daemon gives up on an answer after 20 s (rtnl can be held that long): an add must not land after that.
  batch->not_after_us = boottime_now() + kAnswerLimitUs;
  if (not_after != 0) batch->not_after_us = std::min(batch->not_after_us, not_after);
  const bool removes = std::any_of(batch->steps, batch->steps + count, [](const net::AddressStep& step) {
    return step.op == net::StepOp::kRemove;
  });
  // Whatever of this group still waits to be added or refreshed comes too late from here on.
  batch->stamp = removes && slot != kNoGroup ? thread_->void_group(slot) : thread_->group_stamp(slot);
  batch->group = slot;
  batch->flags = 0;
  batch->count = count;
  thread_->commit(net::Feeder::kController);
  return Answer::kQueued;
}

NetPort::Answer NetPort::watch(Bytes list) {
  if (!ensure_running()) return Answer::kFailed;
  auto watch = std::make_unique<net::WatchList>();
  if (!net::parse_watch_list(list, *watch)) return Answer::kInvalid;
  thread_->watch(*watch);
  return Answer::kQueued;
}

std::size_t NetPort::drain(std::span<std::uint8_t> out) {
  if (thread_ == nullptr) return 0;
  std::size_t used = 0;
  while (out.size() - used >= kResultRoom && thread_->next_result(*result_)) {
    used += write_result(out.subspan(used), *result_);
  }
  net::NetEvent event;
  while (out.size() - used >= kEventRoom && thread_->next_event(event)) {
    used += write_event(out.subspan(used), event);
  }
  return used;
}

net::StepBatch* NetPort::claim() noexcept {
  net::NetThread* thread = for_engine_.load(std::memory_order_acquire);
  return thread == nullptr ? nullptr : thread->claim(net::Feeder::kEngine);
}

void NetPort::commit() noexcept {
  for_engine_.load(std::memory_order_acquire)->commit(net::Feeder::kEngine);
}

bool NetPort::next_result(net::StepBatchResult& out) noexcept {
  net::NetThread* thread = for_engine_.load(std::memory_order_acquire);
  return thread != nullptr && thread->next_result(net::Feeder::kEngine, out);
}

void NetPort::void_group(std::uint32_t group) noexcept {
  net::NetThread* thread = for_engine_.load(std::memory_order_acquire);
  if (thread != nullptr) static_cast<void>(thread->void_group(group));
}

std::uint32_t NetPort::group_stamp(std::uint32_t group) const noexcept {
  const net::NetThread* thread = for_engine_.load(std::memory_order_acquire);
  return thread == nullptr ? 0 : thread->group_stamp(group);
}

void NetPort::stop() noexcept {
  if (thread_ != nullptr && thread_->is_running()) thread_->stop();
}

}  // namespace twinbeat
