// A link between two engines of one machine without any network, and the seeded faults for tests: what is sent may be
// lost or doubled. Two sides of one channel meet under abstract socket names; the second to open becomes side 1.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>

#include "core/link/links.h"
#include "core/link/receive.h"
#include "core/peer/prng.h"

namespace twinbeat {

namespace {

class LoopbackLink final : public Link {
 public:
  explicit LoopbackLink(const LinkSpec& spec) noexcept : Link(spec), prng_(spec.seed) {}

  int open() noexcept override {
    close();
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) return last_error_ = errno;
    enable_receive_stamps(fd_);
    for (int side = 0; side < 2; ++side) {
      sockaddr_un name{};
      const socklen_t bytes = fill(side, name);
      if (::bind(fd_, reinterpret_cast<const sockaddr*>(&name), bytes) == 0) {
        target_bytes_ = fill(1 - side, target_);
        return last_error_ = 0;
      }
    }
    last_error_ = errno;
    close();
    return last_error_;
  }

  SendResult send(const Outgoing& out, const Cycle&) noexcept override {
    const std::uint64_t copies = prng_.below(100) < spec_.duplicate_percent ? 2 : 1;
    for (std::uint64_t i = 0; i < copies; ++i) {
      if (prng_.below(100) < spec_.loss_percent) continue;
      if (::sendto(fd_, out.netstring.data(), out.netstring.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                   reinterpret_cast<const sockaddr*>(&target_), target_bytes_) < 0) {
        return failed_send(errno);
      }
    }
    return SendResult::kSent;
  }

  bool receive(PacketSink& sink, const Cycle& cycle, ReceiveArena& arena) noexcept override {
    int error = 0;
    return receive_batch(fd_, nullptr, sink, cycle, arena, error);
  }

 private:
  socklen_t fill(int side, sockaddr_un& name) const noexcept {
    name.sun_family = AF_UNIX;
    const int length = std::snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "twinbeat.%d.%u.%d",
                                     static_cast<int>(::getpid()), unsigned{spec_.channel}, side);
    return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + static_cast<std::size_t>(length));
  }

  sockaddr_un target_{};
  socklen_t target_bytes_ = 0;
  Prng prng_;
};

}  // namespace

std::unique_ptr<Link> make_loopback_link(const LinkSpec& spec) noexcept {
  return std::make_unique<LoopbackLink>(spec);
}

}  // namespace twinbeat
