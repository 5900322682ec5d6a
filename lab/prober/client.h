// The client: one request each tick, without waiting for the answer before. Answers carry the kernel's stamp, so that a
// prober that wakes late does not make an answer late.
#pragma once

#include <cstdint>
#include <vector>

#include "events.h"
#include "options.h"

namespace prober {

class Client {
 public:
  /// The calling thread is in the client's namespace and stays there: TCP makes a socket each tick.
  Client(const Options& options, Journal& journal, int epoll);

  [[nodiscard]] int fd() const { return fd_; }
  void ask(std::int64_t at_ns) noexcept;
  void read(std::int64_t to_monotonic_ns) noexcept;
  /// A TCP connection that became readable or writable.
  void serve(std::size_t slot) noexcept;
  void give_up(std::int64_t at_ns) noexcept;

  [[nodiscard]] std::uint64_t asked() const { return seq_; }
  [[nodiscard]] std::uint64_t answered() const { return answered_; }

 private:
  struct Attempt {
    int fd = -1;
    std::uint64_t seq = 0;
  };
  static constexpr std::size_t kInFlight = 65536;
  static constexpr std::size_t kAttempts = 256;

  void ask_icmp() noexcept;
  void ask_tcp(std::int64_t at_ns) noexcept;
  void close_attempt(Attempt& attempt) noexcept;
  void answered(std::uint64_t seq, const char* name, std::size_t size, std::int64_t at_ns) noexcept;

  const Options& options_;
  Journal& journal_;
  int epoll_;
  int fd_ = -1;
  std::uint64_t seq_ = 0;
  std::uint64_t answered_ = 0;
  std::vector<std::int64_t> sent_at_;
  std::vector<Attempt> attempts_;
  std::size_t next_attempt_ = 0;
  std::int64_t last_answer_ns_ = 0;
  std::uint8_t last_node_ = kNobody;
};

}  // namespace prober
