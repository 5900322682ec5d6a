// Tells the neighbours where our addresses live: a burst of prepared frames when an address is
// taken, then a slow refresh for as long as it is held. Netlink thread only.
#pragma once

#include <array>
#include <limits>

#include "core/base/clock.h"
#include "core/base/fixed_vector.h"
#include "core/net/garp.h"
#include "core/net/interface_table.h"
#include "core/net/ndisc.h"

namespace twinbeat::net {

inline constexpr size_t kHeldMax = 512;  // two full batches
inline constexpr size_t kBurstMax = 8;
inline constexpr Micros kNever = std::numeric_limits<Micros>::max();

// The first frame of a burst leaves at once; a single one can be lost, or fall into the second in
// which a neighbour refuses to change an entry again, hence the later ones.
struct AnnounceTiming {
  std::array<uint32_t, kBurstMax> offsets_us{0, 5'000, 20'000, 100'000, 1'000'000};
  uint32_t burst_count = 5;
  uint32_t refresh_us = 60'000'000;  // 0 = none
};

// A raw packet socket that only sends: bound to no protocol, so that it never receives.
class FrameSender {
 public:
  ~FrameSender() { close(); }
  [[nodiscard]] int open() noexcept;
  void close() noexcept;
  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
  // Returns an errno.
  [[nodiscard]] int send(uint32_t ifindex, Bytes frame) noexcept;

 private:
  int fd_ = -1;
};

struct AnnounceOptions {
  bool router = false;
  uint16_t count = 0;  // 0 = the burst of AnnounceTiming
  uint32_t interval_us = 0;
};

class Announcer {
 public:
  explicit Announcer(FrameSender& sender) noexcept : sender_(sender) {}
  void set_timing(const AnnounceTiming& timing) noexcept { timing_ = timing; }

  // Prepares the frames, sends the first and keeps on until release(). False: this interface
  // cannot carry an announcement, or the table is full. An address that is held already starts
  // its burst anew.
  [[nodiscard]] bool hold(uint8_t family, const Address& address, const InterfaceRecord& interface,
                          const AnnounceOptions& options, Micros now) noexcept;
  void release(uint8_t family, const Address& address, uint32_t ifindex) noexcept;
  [[nodiscard]] bool is_held(uint8_t family, const Address& address,
                             uint32_t ifindex) const noexcept;
  // A new MAC gets new frames; with `again` a burst starts (the link came back: perhaps in another
  // port of another switch). Without an interface (0 entries left) nothing happens.
  void interface_changed(const InterfaceRecord& interface, bool again, Micros now) noexcept;
  void interface_removed(uint32_t ifindex) noexcept;

  // Sends what is due; returns when to call again, kNever if nothing is held.
  [[nodiscard]] Micros poll(Micros now) noexcept;
  [[nodiscard]] uint64_t frames_sent() const noexcept { return frames_sent_; }
  [[nodiscard]] uint64_t send_errors() const noexcept { return send_errors_; }
  [[nodiscard]] size_t size() const noexcept { return held_.size(); }
  void clear() noexcept { held_.clear(); }

 private:
  struct Held {
    Address address{};
    Mac mac{};
    uint8_t family = 0;
    uint32_t ifindex = 0;
    AnnounceOptions options{};
    Micros burst_at = 0;
    Micros next_at = 0;
    uint32_t sent = 0;  // frames of this burst; afterwards it only picks the form
    uint16_t frame_bytes = 0;
    std::array<std::array<uint8_t, kAdvertisementFrameBytes>, 2> frames{};
  };

  [[nodiscard]] Held* find(uint8_t family, const Address& address, uint32_t ifindex) noexcept;
  void prepare(Held& held, const Mac& mac) noexcept;
  void start_burst(Held& held, Micros now) noexcept;
  void send_next(Held& held, Micros now) noexcept;
  [[nodiscard]] Micros after(const Held& held, Micros now) const noexcept;

  FrameSender& sender_;
  AnnounceTiming timing_;
  FixedVector<Held, kHeldMax> held_;
  uint64_t frames_sent_ = 0;
  uint64_t send_errors_ = 0;
};

}  // namespace twinbeat::net
