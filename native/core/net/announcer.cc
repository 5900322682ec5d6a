#include "core/net/announcer.h"

#include <arpa/inet.h>
#include <cerrno>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace twinbeat::net {

int FrameSender::open() noexcept {
  close();
  fd_ = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  return fd_ < 0 ? errno : 0;
}

void FrameSender::close() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

int FrameSender::send(uint32_t ifindex, Bytes frame) noexcept {
  if (fd_ < 0) return EBADF;
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = static_cast<int>(ifindex);
  to.sll_halen = 6;
  std::copy_n(frame.begin(), 6, to.sll_addr);
  to.sll_protocol = static_cast<uint16_t>(htons(static_cast<uint16_t>(frame[12] << 8 | frame[13])));
  const ssize_t sent = ::sendto(fd_, frame.data(), frame.size(), 0,
                                reinterpret_cast<const sockaddr*>(&to), sizeof(to));
  return sent < 0 ? errno : 0;
}

Announcer::Held* Announcer::find(uint8_t family, const Address& address,
                                 uint32_t ifindex) noexcept {
  for (Held& held : held_) {
    if (held.family == family && held.ifindex == ifindex &&
        same_address(family, held.address, address)) {
      return &held;
    }
  }
  return nullptr;
}

bool Announcer::is_held(uint8_t family, const Address& address, uint32_t ifindex) const noexcept {
  return std::any_of(held_.begin(), held_.end(), [&](const Held& held) {
    return held.family == family && held.ifindex == ifindex &&
           same_address(family, held.address, address);
  });
}

void Announcer::prepare(Held& held, const Mac& mac) noexcept {
  held.mac = mac;
  if (held.family == 4) {
    held.frame_bytes = kArpFrameBytes;
    encode_gratuitous_arp(std::span(held.frames[0]).first<kArpFrameBytes>(), ArpForm::kRequest,
                          mac, held.address);
    encode_gratuitous_arp(std::span(held.frames[1]).first<kArpFrameBytes>(), ArpForm::kReply, mac,
                          held.address);
    return;
  }
  held.frame_bytes = kAdvertisementFrameBytes;
  encode_unsolicited_advertisement(held.frames[0], mac, held.address, {held.options.router});
  held.frames[1] = held.frames[0];
}

bool Announcer::hold(uint8_t family, const Address& address, const InterfaceRecord& interface,
                     const AnnounceOptions& options, Micros now) noexcept {
  if (!sender_.is_open() || !can_announce(interface)) return false;
  Held* held = find(family, address, interface.ifindex);
  if (held == nullptr) {
    Held fresh;
    fresh.family = family;
    fresh.address = address;
    fresh.ifindex = interface.ifindex;
    if (held_.push_back(fresh) != Status::kOk) return false;
    held = &held_[held_.size() - 1];
  }
  held->options = options;
  prepare(*held, interface.mac);
  start_burst(*held, now);
  return true;
}

void Announcer::release(uint8_t family, const Address& address, uint32_t ifindex) noexcept {
  for (size_t i = 0; i < held_.size(); ++i) {
    const Held& held = held_[i];
    if (held.family == family && held.ifindex == ifindex &&
        same_address(family, held.address, address)) {
      held_[i] = held_[held_.size() - 1];
      held_.erase(held_.size() - 1);
      return;
    }
  }
}

void Announcer::interface_changed(const InterfaceRecord& interface, bool again,
                                  Micros now) noexcept {
  for (Held& held : held_) {
    if (held.ifindex != interface.ifindex) continue;
    const bool moved = interface.has_mac && !same_mac(held.mac, interface.mac);
    if (moved) prepare(held, interface.mac);
    if (moved || again) start_burst(held, now);
  }
}

void Announcer::interface_removed(uint32_t ifindex) noexcept {
  for (size_t i = held_.size(); i-- > 0;) {
    if (held_[i].ifindex == ifindex) held_.erase(i);
  }
}

void Announcer::start_burst(Held& held, Micros now) noexcept {
  held.burst_at = now;
  held.sent = 0;
  send_next(held, now);
}

void Announcer::send_next(Held& held, Micros now) noexcept {
  const auto& frame = held.frames[held.sent % 2];
  // A link without carrier refuses: the frame counts as sent, its return starts a new burst.
  if (sender_.send(held.ifindex, Bytes(frame.data(), held.frame_bytes)) == 0) {
    ++frames_sent_;
  } else {
    ++send_errors_;
  }
  ++held.sent;
  held.next_at = after(held, now);
}

// When the next frame is due; `sent` have left. A late thread does not catch up in one gulp: each
// frame waits at least a millisecond after the one before.
Micros Announcer::after(const Held& held, Micros now) const noexcept {
  const uint32_t sent = held.sent;
  const bool own_count = held.options.count > 0;
  const uint32_t burst = own_count ? held.options.count : timing_.burst_count;
  if (sent >= std::min<uint32_t>(burst, own_count ? burst : kBurstMax)) {
    return timing_.refresh_us == 0 ? kNever : now + timing_.refresh_us;
  }
  const Micros offset = own_count ? Micros{held.options.interval_us} * sent
                                  : Micros{timing_.offsets_us[sent]};
  return std::max(held.burst_at + offset, now + kMicrosPerMilli);
}

Micros Announcer::poll(Micros now) noexcept {
  Micros next = kNever;
  for (Held& held : held_) {
    if (held.next_at <= now) send_next(held, now);
    next = std::min(next, held.next_at);
  }
  return next;
}

}  // namespace twinbeat::net
