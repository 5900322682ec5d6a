// A serial line whose descriptor TypeScript has opened and set up. Frames are classic, paced to the line's speed in
// pieces of 512 bytes as a real node writes them, through a bounded queue: a hung line costs its frames, never time.
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/link/links.h"
#include "core/peer/detector.h"
#include "core/wire/serial_reader.h"

namespace twinbeat {

namespace {

constexpr std::size_t kQueueBytes = 16 * 1024;
constexpr std::size_t kPieceBytes = 512;
// What waits longer than this is no heartbeat any more: new frames are dropped until the line has drained.
constexpr Micros kQueueTimeMax = 2 * kMicrosPerSecond;
constexpr std::size_t kQueueLeast = 2048;

class SerialLink final : public Link {
 public:
  explicit SerialLink(const LinkSpec& spec) noexcept : Link(spec) {
    const std::size_t paced = static_cast<std::size_t>(kQueueTimeMax / kMicrosPerSecond) * spec.baud / 10;
    queue_limit_ = std::clamp(paced, kQueueLeast, kQueueBytes);
  }
  ~SerialLink() override {
    if (spec_.fd >= 0) ::close(spec_.fd);
  }

  int open() noexcept override {
    close();
    fd_ = ::fcntl(spec_.fd, F_DUPFD_CLOEXEC, 3);
    if (fd_ < 0) return last_error_ = errno;
    const int flags = ::fcntl(fd_, F_GETFL);
    if (flags < 0 || ::fcntl(fd_, F_SETFL, flags | O_NONBLOCK) < 0) {
      last_error_ = errno;
      close();
      return last_error_;
    }
    // A line whose other end is gone stays so for this descriptor: to report it open would only be taken back.
    pollfd line{fd_, 0, 0};
    if (::poll(&line, 1, 0) > 0 && (line.revents & POLLHUP) != 0) {
      close();
      return last_error_ = EPIPE;
    }
    // Not every line is a terminal in tests, and a pty refuses some requests: neither matters for the bytes.
    static_cast<void>(::ioctl(fd_, TIOCEXCL));
    reader_.reset();
    head_ = 0;
    size_ = 0;
    push('\n');  // ends whatever noise stands on the other side's line
    return last_error_ = 0;
  }

  void close() noexcept override {
    if (fd_ >= 0) static_cast<void>(::ioctl(fd_, TIOCNXCL));
    Link::close();
  }

  bool last_words_target(guard::LinkTarget& out) const noexcept override {
    out.way = guard::LinkWay::kSerial;
    out.address_bytes = 0;
    return fd_ >= 0;
  }

  SendResult send(const Outgoing& out, const Cycle& cycle) noexcept override {
    if (out.classic.empty()) return SendResult::kDropped;
    if (size_ > 0 && size_ + out.classic.size() > queue_limit_) return SendResult::kDropped;
    if (size_ + out.classic.size() > kQueueBytes) return SendResult::kDropped;
    for (const std::uint8_t byte : out.classic) push(byte);
    flush(cycle);
    return fd_ >= 0 && !hung_up_ ? SendResult::kSent : SendResult::kDown;
  }

  void flush(const Cycle& cycle) noexcept override {
    while (fd_ >= 0 && size_ > 0 && cycle.now >= write_at_) {
      const std::size_t piece = std::min({size_, kPieceBytes, kQueueBytes - head_});
      const ssize_t written = ::write(fd_, &queue_[head_], piece);
      if (written <= 0) {
        const int error = written < 0 ? errno : EAGAIN;
        hung_up_ = error != EAGAIN && error != EINTR;
        if (hung_up_) last_error_ = error;
        write_at_ = cycle.now + kRetry;
        return;
      }
      hung_up_ = false;
      const auto count = static_cast<std::size_t>(written);
      head_ = (head_ + count) % kQueueBytes;
      size_ -= count;
      write_at_ = std::max(write_at_, cycle.now) +
                  static_cast<Micros>(count) * 10 * kMicrosPerSecond / spec_.baud;
    }
  }

  Micros flush_at() const noexcept override { return fd_ >= 0 && size_ > 0 ? write_at_ : kNever; }
  bool wants_classic() const noexcept override { return true; }

  bool receive(PacketSink& sink, const Cycle& cycle, ReceiveArena& arena) noexcept override {
    std::array<std::uint8_t, kReceiveBytes>& buffer = arena.buffers[0];
    const ssize_t count = ::read(fd_, buffer.data(), kReadBytes);
    if (count <= 0) {
      // EIO is a pty without its other side; an end of file is a line that is gone. Both may come back.
      if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        last_error_ = count == 0 ? EPIPE : errno;
        hung_up_ = true;
        close();
      }
      return false;
    }
    Bytes in{buffer.data(), static_cast<std::size_t>(count)};
    while (!in.empty()) {
      const SerialReader::Step step = reader_.feed(in);
      in = in.subspan(step.consumed);
      if (!step.frame.empty()) sink.packet(step.frame, cycle.now, {});
    }
    return static_cast<std::size_t>(count) == kReadBytes;
  }

 private:
  static constexpr Micros kRetry = 20 * kMicrosPerMilli;
  static constexpr std::size_t kReadBytes = 4096;

  void push(std::uint8_t byte) noexcept {
    queue_[(head_ + size_) % kQueueBytes] = byte;
    ++size_;
  }

  SerialReader reader_;
  std::array<std::uint8_t, kQueueBytes> queue_{};
  std::size_t head_ = 0;
  std::size_t size_ = 0;
  std::size_t queue_limit_ = kQueueBytes;
  Micros write_at_ = 0;
  bool hung_up_ = false;
};

}  // namespace

std::unique_ptr<Link> make_serial_link(const LinkSpec& spec) noexcept {
  return std::make_unique<SerialLink>(spec);
}

}  // namespace twinbeat
