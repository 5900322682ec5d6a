// The guardian's socket in the run folder: short commands as lines of text, one answer each, for the daemon and for
// its successor. Only root and the account of the guardian are heard.
#pragma once

#include <array>
#include <cstddef>

namespace twinbeat::guard {

inline constexpr std::size_t kCommandBytes = 1024;
inline constexpr std::size_t kAnswerBytes = 512;

class ControlSocket {
 public:
  // Answers into `answer`, without the newline.
  using Handler = void (*)(void* context, char* command, char* answer, std::size_t answer_bytes);

  // Replaces a socket that an older guardian left at this path. 0 or an errno.
  [[nodiscard]] int open(const char* path, int epoll, Handler handler, void* context) noexcept;
  // True if `fd` is one of ours; then it was served.
  bool serve(int fd) noexcept;
  // The path stays if a newer guardian took it.
  void close(const char* path) noexcept;

 private:
  static constexpr std::size_t kClientsMax = 8;
  struct Client {
    int fd = -1;
    std::size_t used = 0;
    char line[kCommandBytes];
  };

  void accept_client() noexcept;
  void read_client(Client& client) noexcept;
  [[nodiscard]] bool is_ours(const char* path) const noexcept;

  int epoll_ = -1;
  int listen_ = -1;
  unsigned long long inode_ = 0;
  Handler handler_ = nullptr;
  void* context_ = nullptr;
  std::array<Client, kClientsMax> clients_{};
};

}  // namespace twinbeat::guard
