#include "guardian/gasp_sender.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace twinbeat::guard {

namespace {

constexpr int kBellReadsMax = 64;

std::size_t take_descriptors(msghdr& message, int* out) noexcept {
  std::size_t count = 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t here = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < here && count < kLinkTargetsMax; ++i) {
      std::memcpy(&out[count++], CMSG_DATA(header) + i * sizeof(int), sizeof(int));
    }
  }
  return count;
}

}  // namespace

bool GaspSender::read_bell(int bell) noexcept {
  for (int i = 0; i < kBellReadsMax; ++i) {
    LinkHandover handover{};
    iovec part{&handover, sizeof(handover)};
    alignas(cmsghdr) char control[CMSG_SPACE(kLinkTargetsMax * sizeof(int))];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    const ssize_t got = ::recvmsg(bell, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    if (got == 0) return false;
    int fds[kLinkTargetsMax];
    const std::size_t count = take_descriptors(message, fds);
    if (handover.word == BellWord::kLinks) {
      replace_links(handover, static_cast<std::size_t>(got), fds, count);
    } else {
      for (std::size_t k = 0; k < count; ++k) ::close(fds[k]);
    }
  }
  return true;
}

void GaspSender::replace_links(const LinkHandover& handover, std::size_t bytes, const int* fds,
                               std::size_t fd_count) noexcept {
  for (std::uint32_t i = 0; i < fd_count_; ++i) ::close(fds_[i]);
  std::copy(fds, fds + fd_count, fds_.begin());
  fd_count_ = static_cast<std::uint32_t>(fd_count);
  target_count_ = 0;
  const std::size_t whole = bytes < offsetof(LinkHandover, targets)
                                ? 0
                                : (bytes - offsetof(LinkHandover, targets)) / sizeof(LinkTarget);
  const std::size_t count = std::min<std::size_t>({handover.target_count, whole, kLinkTargetsMax});
  for (std::size_t i = 0; i < count; ++i) {
    const LinkTarget& target = handover.targets[i];
    const bool known = target.way == LinkWay::kDatagram || target.way == LinkWay::kSerial;
    if (!known || target.descriptor >= fd_count_ || target.address_bytes > sizeof(target.address)) continue;
    targets_[target_count_++] = target;
  }
}

std::uint32_t GaspSender::send(const GaspCopy& gasp) noexcept {
  std::uint32_t sent = 0;
  for (std::uint32_t i = 0; i < target_count_; ++i) {
    const LinkTarget& target = targets_[i];
    const int fd = fds_[target.descriptor];
    ssize_t done = -1;
    if (target.way == LinkWay::kSerial) {
      if (gasp.line_bytes > 0) done = ::write(fd, gasp.line.data(), gasp.line_bytes);
    } else if (gasp.datagram_bytes > 0) {
      const auto* to = target.address_bytes > 0 ? reinterpret_cast<const sockaddr*>(target.address) : nullptr;
      done = ::sendto(fd, gasp.datagram.data(), gasp.datagram_bytes, MSG_DONTWAIT | MSG_NOSIGNAL, to,
                      target.address_bytes);
    }
    if (done > 0) ++sent;
  }
  return sent;
}

}  // namespace twinbeat::guard
