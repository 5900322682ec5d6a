#include "core/net/step_codec.h"

#include <arpa/inet.h>

#include <array>
#include <cstring>

#include "core/base/wire_reader.h"

namespace twinbeat::net {

namespace {

bool copy_text(std::string_view text, std::span<char> place) noexcept {
  if (text.size() >= place.size()) return false;
  std::memset(place.data(), 0, place.size());
  if (!text.empty()) std::memcpy(place.data(), text.data(), text.size());
  return true;
}

bool read_address(std::uint8_t family, std::string_view text, Address& out) noexcept {
  if (family != 4 && family != 6) return false;
  std::array<char, INET6_ADDRSTRLEN> terminated;
  if (!copy_text(text, terminated)) return false;
  std::memset(out.bytes, 0, sizeof(out.bytes));
  return ::inet_pton(family == 4 ? AF_INET : AF_INET6, terminated.data(), out.bytes) == 1;
}

bool read_step(WireReader& in, AddressStep& step) noexcept {
  step = {};
  const std::uint8_t op = in.u8();
  if (op < 1 || op > 4) return false;
  step.op = static_cast<StepOp>(op);
  step.family = in.u8();
  step.prefix = in.u8();
  step.flags = in.u16();
  step.announce_interval_us = in.u32();
  step.announce_count = in.u16();
  if (!read_address(step.family, in.text(), step.address)) return false;
  const std::string_view broadcast = in.text();
  if (!broadcast.empty()) {
    Address parsed;
    if (step.family != 4 || !read_address(4, broadcast, parsed)) return false;
    std::memcpy(step.broadcast, parsed.bytes, sizeof(step.broadcast));
    step.flags = static_cast<std::uint16_t>(step.flags | kStepBroadcastSet);
  }
  return copy_text(in.text(), step.interface) && copy_text(in.text(), step.label) && in.ok();
}

}  // namespace

std::uint32_t parse_steps(Bytes bytes, std::span<AddressStep> steps) noexcept {
  WireReader in(bytes);
  std::uint32_t count = 0;
  while (in.remaining() > 0) {
    if (count == steps.size() || !read_step(in, steps[count])) return 0;
    ++count;
  }
  return count;
}

bool parse_watch_list(Bytes bytes, WatchList& list) noexcept {
  WireReader in(bytes);
  list = {};
  const std::uint32_t addresses = in.u16();
  const std::uint32_t interfaces = in.u16();
  if (!in.ok() || addresses > kWatchMax || interfaces > kWatchInterfacesMax) return false;
  for (std::uint32_t i = 0; i < addresses; ++i) {
    WatchAddress& place = list.addresses[i];
    place.family = in.u8();
    if (!read_address(place.family, in.text(), place.address)) return false;
    if (!copy_text(in.text(), place.interface)) return false;
  }
  for (std::uint32_t i = 0; i < interfaces; ++i) {
    if (!copy_text(in.text(), list.interfaces[i])) return false;
  }
  list.address_count = addresses;
  list.interface_count = interfaces;
  return in.ok() && in.remaining() == 0;
}

}  // namespace twinbeat::net
