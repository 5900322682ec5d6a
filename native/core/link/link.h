// One way to the peers: a socket, a line, a ping host. A link carries bytes and knows nothing of nodes; everything
// is non-blocking, and a send that fails is loss, never a reason to wait. Engine thread only, except construction.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "abi/guard_page.h"
#include "core/base/bytes.h"
#include "core/base/clock.h"
#include "core/engine/setup.h"

namespace twinbeat {

// One message in the encodings that links want. `classic` is empty unless some link asked for it.
struct Outgoing {
  Bytes netstring;
  Bytes classic;
  bool is_status = false;
};

enum class SendResult : std::uint8_t {
  kSent,
  kLost,     // EPERM, ENOBUFS and the like: counted, the link stays as it is
  kDropped,  // no room: the line is slower than what is sent
  kDown,     // the link cannot send at all just now; errno in last_error()
};

// How a datagram was addressed. Sockets that share an interface and a port also get each other's packets: every one of
// them a broadcast, any one of them a packet for this host.
struct Origin {
  using IpAddress = std::array<std::uint8_t, 16>;  // IPv4 in the first four bytes

  std::uint8_t family = 0;  // 4, 6 or 0: not known
  bool to_group = false;    // broadcast or multicast
  IpAddress source{};
  IpAddress target{};
  std::uint32_t dropped = 0;  // packets that this socket had no room for, since it was opened
};

class PacketSink {
 public:
  // `at` is when the kernel received it, never later than `now` of the cycle.
  virtual void packet(Bytes bytes, Micros at, const Origin& origin) noexcept = 0;

 protected:
  ~PacketSink() = default;
};

struct Cycle {
  Micros now = 0;
  std::int64_t wall_us = 0;  // time of day at `now`
  std::uint64_t readable = ~std::uint64_t{0};  // one bit per link: something may wait there
  bool bell = true;                            // the guardian may have said something, or be gone
};

// Buffers for one recvmmsg, shared by all links of an engine because they read one after the other.
inline constexpr std::size_t kReceiveBatch = 8;
inline constexpr std::size_t kReceiveBytes = 65536;
struct ReceiveArena {
  std::array<std::array<std::uint8_t, kReceiveBytes>, kReceiveBatch> buffers;
};

class Link {
 public:
  explicit Link(const LinkSpec& spec) noexcept : spec_(spec) {}
  virtual ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // 0 or errno. Called again, after close(), until it succeeds.
  [[nodiscard]] virtual int open() noexcept = 0;
  virtual void close() noexcept;
  [[nodiscard]] virtual bool is_open() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int fd() const noexcept { return fd_; }

  [[nodiscard]] virtual SendResult send(const Outgoing& out, const Cycle& cycle) noexcept = 0;
  // Hands over at most one batch; true if more may be waiting.
  [[nodiscard]] virtual bool receive(PacketSink& sink, const Cycle& cycle, ReceiveArena& arena) noexcept = 0;

  // Links with a queue of their own: written when due.
  virtual void flush(const Cycle& cycle) noexcept { static_cast<void>(cycle); }
  [[nodiscard]] virtual Micros flush_at() const noexcept;
  [[nodiscard]] virtual bool wants_classic() const noexcept { return false; }

  // Where the guardian sends last words of this node on this link; false: nobody hears them here. The descriptor of
  // `out` is the caller's to fill in.
  [[nodiscard]] virtual bool last_words_target(guard::LinkTarget& out) const noexcept {
    static_cast<void>(out);
    return false;
  }

  // Whether a packet addressed like this travels on this link, whichever socket received it.
  [[nodiscard]] virtual bool carries(const Origin& origin) const noexcept;
  // Both receive on one interface and port.
  [[nodiscard]] bool shares_port_with(const Link& other) const noexcept;

  [[nodiscard]] int last_error() const noexcept { return last_error_; }
  [[nodiscard]] const LinkSpec& spec() const noexcept { return spec_; }

 protected:
  // Sorts an errno of a send into loss and being down.
  [[nodiscard]] SendResult failed_send(int error) noexcept;

  LinkSpec spec_;
  int fd_ = -1;
  int last_error_ = 0;
};

// nullptr for a type that has no implementation. `instance` tells the engines of one process apart.
// `context` is for other factories (manual links).
[[nodiscard]] std::unique_ptr<Link> make_link(const LinkSpec& spec, std::uint16_t instance, void* context);

}  // namespace twinbeat
