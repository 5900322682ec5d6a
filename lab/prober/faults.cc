#include "faults.h"

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "spaces.h"

namespace prober {

namespace {

constexpr std::size_t kLineBytes = 4096;
constexpr std::size_t kPortsMax = 8;

std::string_view next_word(std::string_view& rest) {
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  const std::size_t end = std::min(rest.find(' '), rest.size());
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(end);
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  return word;
}

template <typename Number>
bool number_of(std::string_view word, Number& value) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  return error == std::errc{} && end == word.data() + word.size();
}

int signal_named(std::string_view word) {
  if (word == "kill") return SIGKILL;
  if (word == "term") return SIGTERM;
  if (word == "stop") return SIGSTOP;
  if (word == "cont") return SIGCONT;
  return 0;
}

struct LinkRequest {
  nlmsghdr header;
  ifinfomsg link;
  rtattr nest;
  rtattr state;
  std::uint8_t value[4];
};

/// Up and down of a port as the switch forwards by it: whoever is behind it keeps the carrier.
void fill_port(LinkRequest& request, int index, bool up, std::uint32_t seq) {
  request = {};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_SETLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  request.header.nlmsg_seq = seq;
  request.link.ifi_family = AF_BRIDGE;
  request.link.ifi_index = index;
  request.nest.rta_type = IFLA_PROTINFO | NLA_F_NESTED;
  request.nest.rta_len = sizeof request.nest + sizeof request.state + sizeof request.value;
  request.state.rta_type = IFLA_BRPORT_STATE;
  request.state.rta_len = sizeof request.state + 1;
  request.value[0] = up ? BR_STATE_FORWARDING : BR_STATE_DISABLED;
}

/// Up and down of the interface itself: whoever is at its other end loses the carrier.
void fill_link(LinkRequest& request, int index, bool up, std::uint32_t seq) {
  request = {};
  request.header.nlmsg_len = NLMSG_LENGTH(sizeof(ifinfomsg));
  request.header.nlmsg_type = RTM_NEWLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  request.header.nlmsg_seq = seq;
  request.link.ifi_family = AF_UNSPEC;
  request.link.ifi_index = index;
  request.link.ifi_change = IFF_UP;
  request.link.ifi_flags = up ? IFF_UP : 0;
}

}  // namespace

Faults::Faults(const Options& options, Journal& journal) : journal_{journal} {
  pending_.reserve(2 * kLineBytes);
  if (options.bridge.netns.empty()) return;
  enter(options.bridge.netns);
  netlink_ = checked(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), "netlink");
}

bool Faults::read() noexcept {
  char bytes[kLineBytes];
  const ssize_t got = ::read(STDIN_FILENO, bytes, sizeof bytes);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  pending_.append(bytes, static_cast<std::size_t>(got));
  std::size_t from = 0;
  for (;;) {
    const std::size_t end = pending_.find('\n', from);
    if (end == std::string::npos) break;
    obey(std::string_view{pending_}.substr(from, end - from));
    from = end + 1;
  }
  pending_.erase(0, from);
  if (pending_.size() > kLineBytes) pending_.clear();
  return true;
}

void Faults::tell(Kind kind, std::int64_t at_ns, std::string_view text, std::int64_t error) noexcept {
  Event event;
  event.kind = kind;
  event.at_ns = at_ns;
  event.value = error;
  std::memcpy(event.text, text.data(), std::min(text.size(), kTextBytes - 1));
  journal_.put(event);
}

void Faults::obey(std::string_view line) noexcept {
  std::string_view rest = line;
  const std::string_view verb = next_word(rest);
  if (verb == "mark") {
    std::int64_t at_ns = now_ns();
    if (!rest.empty() && rest.front() == '@') {
      std::string_view stamp = next_word(rest).substr(1);
      if (!number_of(stamp, at_ns)) return tell(Kind::kError, now_ns(), line, EINVAL);
    }
    return tell(Kind::kMark, at_ns, rest, 0);
  }
  const std::int64_t at_ns = now_ns();
  const int signal = signal_named(verb);
  int error = EINVAL;
  if (signal != 0) error = signal_all(signal, rest);
  else if (verb == "port" || verb == "link") error = set_ports(verb, rest);
  const std::int64_t done_ns = now_ns();
  tell(Kind::kMark, at_ns, line, 0);
  if (error == 0) tell(Kind::kDone, done_ns, line, 0);
  else tell(Kind::kError, done_ns, line, error);
}

int Faults::signal_all(int signal, std::string_view pids) noexcept {
  int error = 0;
  while (!pids.empty()) {
    pid_t pid = 0;
    if (!number_of(next_word(pids), pid) || pid <= 1) return EINVAL;
    // One that ended by itself in the meantime is no failure.
    if (kill(pid, signal) != 0 && errno != ESRCH) error = errno;
  }
  return error;
}

int Faults::set_ports(std::string_view what, std::string_view rest) noexcept {
  const std::string_view direction = next_word(rest);
  const bool up = direction == "up";
  if (netlink_ < 0 || (!up && direction != "down")) return EINVAL;
  // The names are those of the switch's namespace: the socket knows it, the thread is elsewhere.
  alignas(nlmsghdr) std::uint8_t bytes[kPortsMax * sizeof(LinkRequest)] = {};
  std::size_t size = 0;
  int count = 0;
  while (!rest.empty() && count < static_cast<int>(kPortsMax)) {
    int index = 0;
    if (!number_of(next_word(rest), index) || index <= 0) return EINVAL;
    LinkRequest request{};
    if (what == "port") fill_port(request, index, up, static_cast<std::uint32_t>(count));
    else fill_link(request, index, up, static_cast<std::uint32_t>(count));
    std::memcpy(bytes + size, &request, request.header.nlmsg_len);
    size += NLMSG_ALIGN(request.header.nlmsg_len);
    ++count;
  }
  return count == 0 ? EINVAL : send_links(bytes, size, count);
}

int Faults::send_links(const void* bytes, std::size_t size, int count) noexcept {
  if (send(netlink_, bytes, size, 0) < 0) return errno;
  int error = 0;
  alignas(nlmsghdr) char answer[4096];
  for (int left = count; left > 0;) {
    const ssize_t got = recv(netlink_, answer, sizeof answer, 0);
    if (got < 0) return errno;
    int rest = static_cast<int>(got);
    for (auto* message = reinterpret_cast<nlmsghdr*>(answer); NLMSG_OK(message, rest);
         message = NLMSG_NEXT(message, rest)) {
      if (message->nlmsg_type != NLMSG_ERROR) continue;
      --left;
      const auto* result = static_cast<const nlmsgerr*>(NLMSG_DATA(message));
      if (result->error != 0) error = -result->error;
    }
  }
  return error;
}

}  // namespace prober
