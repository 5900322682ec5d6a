#include "holders.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "spaces.h"

namespace prober {

namespace {

// Two system calls each: with more, the asking would fill the tick.
constexpr std::size_t kPolledPerTick = 4;

int open_asker(int family) {
  return socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

}  // namespace

Holders::Holders(const Options& options, Journal& journal) : addresses_{options.addresses}, journal_{journal} {
  for (const NodeSpec& spec : options.nodes) {
    enter(spec.netns);
    Node node;
    node.monitor = open_route_monitor();
    node.v4 = checked(open_asker(AF_INET), "asking socket");
    node.v6 = open_asker(AF_INET6);  // absent on a machine without IPv6
    node.states.assign(addresses_.size(), State::kUnknown);
    nodes_.push_back(std::move(node));
  }
}

void Holders::read_monitor(std::size_t node) noexcept {
  alignas(nlmsghdr) char buffer[16384];
  for (;;) {
    const ssize_t got = recv(nodes_[node].monitor, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got <= 0) return;
    const std::int64_t at_ns = now_ns();
    int left = static_cast<int>(got);
    for (auto* message = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(message, left);
         message = NLMSG_NEXT(message, left)) {
      read_message(node, message, at_ns);
    }
  }
}

void Holders::read_message(std::size_t node, const nlmsghdr* message, std::int64_t at_ns) noexcept {
  if (message->nlmsg_type != RTM_NEWADDR && message->nlmsg_type != RTM_DELADDR) return;
  const auto* header = static_cast<const ifaddrmsg*>(NLMSG_DATA(message));
  int left = static_cast<int>(IFA_PAYLOAD(message));
  int found = -1;
  for (const rtattr* attribute = IFA_RTA(header); RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    // IFA_ADDRESS is the far end of a point-to-point link, IFA_LOCAL is ours where it is given.
    const bool local = attribute->rta_type == IFA_LOCAL;
    if (local || (attribute->rta_type == IFA_ADDRESS && found < 0)) {
      found = index_of(header->ifa_family, RTA_DATA(attribute));
    }
  }
  if (found < 0) return;
  Event event;
  event.kind = Kind::kAddr;
  event.at_ns = at_ns;
  event.node = static_cast<std::uint8_t>(node);
  event.address = static_cast<std::uint16_t>(found);
  event.on = message->nlmsg_type == RTM_NEWADDR;
  journal_.put(event);
}

int Holders::index_of(int family, const void* bytes) const noexcept {
  for (std::size_t at = 0; at < addresses_.size(); ++at) {
    const Endpoint& address = addresses_[at];
    if (address.family() == family && std::memcmp(address.bytes(), bytes, address.byte_count()) == 0) {
      return static_cast<int>(at);
    }
  }
  return -1;
}

// A socket bound to port 0 forgets its address when it is disconnected, and can be bound again.
bool Holders::is_held(const Node& node, const Endpoint& address) const noexcept {
  const int fd = address.family() == AF_INET6 ? node.v6 : node.v4;
  if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&address.raw), address.size) != 0) return false;
  sockaddr nowhere{};
  nowhere.sa_family = AF_UNSPEC;
  connect(fd, &nowhere, sizeof nowhere);
  return true;
}

void Holders::poll(std::int64_t at_ns) noexcept {
  const std::size_t count = std::min(kPolledPerTick, addresses_.size());
  for (std::size_t step = 0; step < count; ++step) {
    const std::size_t at = next_;
    next_ = (next_ + 1) % addresses_.size();
    for (std::size_t index = 0; index < nodes_.size(); ++index) {
      Node& node = nodes_[index];
      const State state = is_held(node, addresses_[at]) ? State::kHeld : State::kAbsent;
      if (state == node.states[at]) continue;
      node.states[at] = state;
      Event event;
      event.kind = Kind::kHeld;
      event.at_ns = at_ns;
      event.node = static_cast<std::uint8_t>(index);
      event.address = static_cast<std::uint16_t>(at);
      event.on = state == State::kHeld;
      journal_.put(event);
    }
  }
}

}  // namespace prober
