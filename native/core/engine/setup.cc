#include "core/engine/setup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/wire_reader.h"

namespace twinbeat {

namespace {

constexpr Micros kTimeMax = 86'400LL * kMicrosPerSecond;

template <std::size_t Capacity>
bool take_text(WireReader& in, FixedText<Capacity>& out) noexcept {
  const std::string_view text = in.text();
  if (text.size() > Capacity) return false;
  out.assign(text);
  return in.ok();
}

bool take_uuid(WireReader& in, Uuid& out) noexcept {
  const Bytes bytes = in.raw(out.size());
  if (bytes.size() != out.size()) return false;
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return true;
}

bool take_time(WireReader& in, Micros& out) noexcept {
  const std::uint64_t value = in.u64();
  out = static_cast<Micros>(value);
  return in.ok() && value >= 1000 && value <= static_cast<std::uint64_t>(kTimeMax);
}

bool take_timing(WireReader& in, Timing& timing) noexcept {
  return take_time(in, timing.keepalive) && take_time(in, timing.deadtime) &&
         take_time(in, timing.warntime) && take_time(in, timing.initdead) &&
         take_time(in, timing.deadping) && take_time(in, timing.rexmit_delay);
}

bool take_nodes(WireReader& in, Setup& setup) noexcept {
  const std::size_t count = in.u8();
  for (std::size_t i = 0; i < count; ++i) {
    NodeSpec node;
    if (!take_text(in, node.name) || node.name.empty()) return false;
    node.has_uuid = in.u8() != 0;
    if (node.has_uuid && !take_uuid(in, node.uuid)) return false;
    if (setup.nodes.push_back(node) != Status::kOk) return false;
  }
  return in.ok();
}

bool take_keys(WireReader& in, Setup& setup) noexcept {
  const std::size_t sign_index = in.u8();
  const std::size_t count = in.u8();
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t index = in.u8();
    const std::uint8_t method = in.u8();
    const Bytes key = in.raw(in.u16());
    if (!in.ok() || index >= kKeySlots || method > 3) return false;
    constexpr AuthMethod kMethods[] = {AuthMethod::kCrc, AuthMethod::kMd5, AuthMethod::kSha1,
                                       AuthMethod::kSha256};
    const AuthMethod known = kMethods[method];
    const Bytes secret = known == AuthMethod::kCrc ? Bytes{} : key;
    if (setup.keyring.set(index, known, secret) != Status::kOk) return false;
  }
  return in.ok() && sign_index < kKeySlots && setup.keyring.set_signing(sign_index) == Status::kOk;
}

bool take_link(WireReader& in, Setup& setup) noexcept {
  LinkSpec link;
  const std::uint8_t type = in.u8();
  if (type >= kLinkTypes) return false;
  link.type = static_cast<LinkType>(type);
  if (!take_text(in, link.name) || !take_text(in, link.interface) ||
      !take_text(in, link.address) || !take_text(in, link.local_address)) {
    return false;
  }
  link.port = in.u16();
  link.local_port = in.u16();
  link.ttl = in.u8();
  link.loop = in.u8() != 0;
  const std::uint32_t fd = in.u32();
  link.baud = in.u32();
  link.channel = in.u8();
  link.loss_percent = in.u8();
  link.duplicate_percent = in.u8();
  link.seed = in.u32();
  const std::size_t hosts = in.u8();
  for (std::size_t i = 0; i < hosts; ++i) {
    AddressText host;
    if (!take_text(in, host) || link.hosts.push_back(host) != Status::kOk) return false;
  }
  if (!in.ok()) return false;
  if (link.type == LinkType::kSerial) {
    if (link.baud == 0) return false;
    link.fd = ::fcntl(static_cast<int>(fd), F_DUPFD_CLOEXEC, 3);
    if (link.fd < 0) return false;
  }
  if (setup.links.push_back(link) == Status::kOk) return true;
  if (link.fd >= 0) ::close(link.fd);
  return false;
}

bool same_device(int a, int b) noexcept {
  struct stat first{};
  struct stat second{};
  return ::fstat(a, &first) == 0 && ::fstat(b, &second) == 0 && first.st_rdev == second.st_rdev &&
         first.st_ino == second.st_ino && first.st_dev == second.st_dev;
}

bool same_hosts(const LinkSpec& a, const LinkSpec& b) noexcept {
  return std::equal(a.hosts.begin(), a.hosts.end(), b.hosts.begin(), b.hosts.end());
}

}  // namespace

bool LinkSpec::same_as(const LinkSpec& other) const noexcept {
  if (type != other.type || !(name == other.name) || !(interface == other.interface) ||
      !(address == other.address) || !(local_address == other.local_address) ||
      port != other.port || local_port != other.local_port || ttl != other.ttl ||
      loop != other.loop || baud != other.baud || channel != other.channel ||
      loss_percent != other.loss_percent || duplicate_percent != other.duplicate_percent ||
      seed != other.seed || !same_hosts(*this, other)) {
    return false;
  }
  return type != LinkType::kSerial || same_device(fd, other.fd);
}

Micros link_interval(const LinkSpec& link, const Timing& timing) noexcept {
  if (link.type != LinkType::kSerial || link.baud == 0) return timing.keepalive;
  const Micros line = kStatusBytes * 10 * kMicrosPerSecond / link.baud;
  return std::max(timing.keepalive, 2 * line);
}

Micros link_dead_time(const LinkSpec& link, const Timing& timing) noexcept {
  if (link.is_ping()) return timing.deadping;
  if (link.type != LinkType::kSerial || link.baud == 0) return timing.deadtime;
  const Micros line = kStatusBytes * 10 * kMicrosPerSecond / link.baud;
  return std::max(timing.deadtime, 3 * link_interval(link, timing) + line);
}

Setup::~Setup() {
  for (const LinkSpec& link : links) {
    if (link.fd >= 0) ::close(link.fd);
  }
}

Micros Setup::announced_dead_time() const noexcept {
  Micros longest = timing.deadtime;
  for (const LinkSpec& link : links) {
    if (!link.is_ping()) longest = std::max(longest, link_dead_time(link, timing));
  }
  return longest;
}

std::size_t Setup::ping_nodes() const noexcept {
  return static_cast<std::size_t>(std::count_if(
      links.begin(), links.end(), [](const LinkSpec& link) { return link.is_ping(); }));
}

Status parse_setup(Bytes bytes, Setup& setup) noexcept {
  WireReader in(bytes);
  setup.revision = in.u64();
  if (!take_text(in, setup.self_name) || setup.self_name.empty()) return Status::kInvalid;
  if (!take_uuid(in, setup.self_uuid) || !take_timing(in, setup.timing)) return Status::kInvalid;
  setup.hopfudge = in.u8();
  setup.mute_after_pause = in.u8() != 0;
  if (!take_nodes(in, setup) || !take_keys(in, setup)) return Status::kInvalid;
  const std::size_t links = in.u8();
  for (std::size_t i = 0; i < links; ++i) {
    if (!take_link(in, setup)) return Status::kInvalid;
  }
  const bool fits = setup.nodes.size() + setup.ping_nodes() <= kMaxNodes;
  return in.ok() && in.remaining() == 0 && fits ? Status::kOk : Status::kInvalid;
}

}  // namespace twinbeat
