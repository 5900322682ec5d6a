#include "core/link/link.h"

#include <unistd.h>

#include <cerrno>

#include "core/link/links.h"
#include "core/peer/detector.h"

namespace twinbeat {

Link::~Link() {
  if (fd_ >= 0) ::close(fd_);
}

void Link::close() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

bool Link::carries(const Origin&) const noexcept { return true; }

bool Link::shares_port_with(const Link& other) const noexcept {
  const std::uint16_t own = spec_.local_port != 0 ? spec_.local_port : spec_.port;
  const std::uint16_t its = other.spec_.local_port != 0 ? other.spec_.local_port : other.spec_.port;
  return own != 0 && own == its && spec_.interface == other.spec_.interface;
}

Micros Link::flush_at() const noexcept { return kNever; }

SendResult Link::failed_send(int error) noexcept {
  last_error_ = error;
  switch (error) {
    case ENETDOWN:
    case ENODEV:
    case ENXIO:
    case EBADF:
    case EIO:
    case ENETUNREACH:
    case EADDRNOTAVAIL:
      return SendResult::kDown;
    case EAGAIN:
    case ENOBUFS:
      return SendResult::kDropped;
    default:
      // EPERM is a packet filter, EHOSTUNREACH and ECONNREFUSED come from the other side: all of them are loss.
      return SendResult::kLost;
  }
}

std::unique_ptr<Link> make_link(const LinkSpec& spec, std::uint16_t instance, void*) {
  switch (spec.type) {
    case LinkType::kBcast:
    case LinkType::kUcast:
    case LinkType::kMcast:
    case LinkType::kUcast6:
    case LinkType::kMcast6:
      return make_udp_link(spec);
    case LinkType::kSerial: return make_serial_link(spec);
    case LinkType::kPing:
    case LinkType::kPingGroup:
    case LinkType::kPing6:
      return make_ping_link(spec, instance);
    case LinkType::kLoopback: return make_loopback_link(spec);
  }
  return nullptr;
}

}  // namespace twinbeat
