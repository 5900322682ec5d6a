#include "net_lab.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <latch>
#include <thread>

namespace twinbeat::net::testing {
namespace {

// Network namespaces that come and go elsewhere on the machine hold up every netlink request of it for seconds.
constexpr int64_t kPatienceUs = 30'000'000;

int open_own_namespace() { return ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC); }

bool shell(const std::string& command) {
  const int status = std::system((command + " >/dev/null 2>&1").c_str());
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int left_ms(int64_t deadline_us) {
  const int64_t left = (deadline_us - boottime_now()) / 1000;
  return left > 0 ? static_cast<int>(left) + 1 : 0;
}

}  // namespace

NetLab::NetLab() {
  original_ns_ = open_own_namespace();
  if (::unshare(CLONE_NEWNET) != 0) return;
  there_ns_ = open_own_namespace();
  if (::unshare(CLONE_NEWNET) != 0) return;
  here_ns_ = open_own_namespace();
  std::string tid;
  std::latch ready(1);
  std::latch done(1);
  // `ip` names a namespace by a task that lives in it.
  std::thread resident([&] {
    usable_ = ::setns(there_ns_, CLONE_NEWNET) == 0;
    tid = std::to_string(::gettid());
    ready.count_down();
    done.wait();
  });
  ready.wait();
  usable_ = usable_ && shell("ip link set lo up") &&
            shell("ip link add tb0 type veth peer name peer0 netns " + tid);
  done.count_down();
  resident.join();
  usable_ = usable_ && there("ip link set lo up") && there("ip link set peer0 up") &&
            here("ip link set tb0 up");
  // The kernel's own IPv6 chatter would only make noise, and link-local addresses must be usable.
  (void)here("echo 0 > /proc/sys/net/ipv6/conf/tb0/accept_dad");
}

NetLab::~NetLab() {
  if (original_ns_ >= 0) (void)!::setns(original_ns_, CLONE_NEWNET);
  for (const int fd : {original_ns_, here_ns_, there_ns_}) {
    if (fd >= 0) ::close(fd);
  }
}

bool NetLab::here(const std::string& command) const { return shell(command); }

bool NetLab::there(const std::string& command) const {
  bool done = false;
  inside_there([&] { done = shell(command); });
  return done;
}

void NetLab::inside_there(const std::function<void()>& action) const {
  if (::setns(there_ns_, CLONE_NEWNET) != 0) return;
  action();
  if (::setns(here_ns_, CLONE_NEWNET) != 0) std::abort();
}

Sniffer::Sniffer(const NetLab& lab) {
  lab.inside_there([&] {
    fd_ = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    sockaddr_ll self{};
    self.sll_family = AF_PACKET;
    self.sll_protocol = htons(ETH_P_ALL);
    self.sll_ifindex = static_cast<int>(::if_nametoindex(NetLab::kThere));
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&self), sizeof(self)) != 0) std::abort();
    ifreq request{};
    std::strncpy(request.ifr_name, NetLab::kThere, IFNAMSIZ - 1);
    if (::ioctl(fd_, SIOCGIFHWADDR, &request) != 0) std::abort();
    std::memcpy(mac_.bytes, request.ifr_hwaddr.sa_data, 6);
  });
}

Sniffer::~Sniffer() {
  if (fd_ >= 0) ::close(fd_);
}

std::optional<std::vector<uint8_t>> Sniffer::next(const std::function<bool(Bytes)>& wanted,
                                                  int patience_ms) const {
  const int64_t deadline = boottime_now() + int64_t{patience_ms} * 1000;
  for (;;) {
    pollfd entry{fd_, POLLIN, 0};
    if (::poll(&entry, 1, left_ms(deadline)) <= 0) return std::nullopt;
    std::vector<uint8_t> frame(2048);
    sockaddr_ll from{};
    socklen_t from_bytes = sizeof(from);
    const ssize_t got = ::recvfrom(fd_, frame.data(), frame.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &from_bytes);
    if (got <= 0 || from.sll_pkttype == PACKET_OUTGOING) continue;
    frame.resize(static_cast<size_t>(got));
    if (wanted(frame)) return frame;
  }
}

void Sniffer::send(Bytes frame) const {
  if (::send(fd_, frame.data(), frame.size(), 0) < 0) std::abort();
}

NetConfig Keeper::fast_config() {
  NetConfig config;
  config.probe_ms = 150;
  return config;
}

Keeper::Keeper(NetConfig config) : thread_(std::make_unique<NetThread>()) {
  wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  config.wake_fd = wake_fd_;
  report = thread_->start(config);
}

Keeper::~Keeper() {
  thread_->stop();
  ::close(wake_fd_);
}

uint64_t Keeper::submit(const std::vector<AddressStep>& steps, int64_t not_after_us,
                        uint32_t stamp) {
  const auto batch = std::make_unique<StepBatch>();
  batch->token = ++token_;
  batch->not_after_us = not_after_us;
  batch->stamp = stamp;
  batch->count = static_cast<uint32_t>(steps.size());
  for (size_t i = 0; i < steps.size() && i < kBatchStepsMax; ++i) batch->steps[i] = steps[i];
  return thread_->submit(Feeder::kController, *batch) ? batch->token : 0;
}

StepBatchResult Keeper::run(const std::vector<AddressStep>& steps, int64_t not_after_us) {
  return wait_result(submit(steps, not_after_us));
}

void Keeper::collect() {
  StepBatchResult result;
  while (thread_->next_result(result)) results_.push_back(result);
  NetEvent event;
  while (thread_->next_event(event)) events_.push_back(event);
}

bool Keeper::wait_wake(int64_t deadline_us) const {
  pollfd entry{wake_fd_, POLLIN, 0};
  if (::poll(&entry, 1, left_ms(deadline_us)) <= 0) return false;
  uint64_t value = 0;
  return ::read(wake_fd_, &value, sizeof(value)) == sizeof(value);
}

StepBatchResult Keeper::wait_result(uint64_t token) {
  const int64_t deadline = boottime_now() + kPatienceUs;
  for (;;) {
    collect();
    for (size_t i = 0; i < results_.size(); ++i) {
      if (results_[i].token != token) continue;
      const StepBatchResult result = results_[i];
      results_.erase(results_.begin() + static_cast<std::ptrdiff_t>(i));
      return result;
    }
    if (!wait_wake(deadline)) {
      StepBatchResult none{};
      none.failed = 9999;
      return none;
    }
  }
}

std::optional<NetEvent> Keeper::wait_event(NetEventType type, int patience_ms) {
  const int64_t deadline = boottime_now() + int64_t{patience_ms} * 1000;
  for (;;) {
    collect();
    for (size_t i = 0; i < events_.size(); ++i) {
      if (events_[i].type != type) continue;
      const NetEvent event = events_[i];
      events_.erase(events_.begin() + static_cast<std::ptrdiff_t>(i));
      return event;
    }
    if (!wait_wake(deadline)) return std::nullopt;
  }
}

void Keeper::watch(const std::vector<WatchAddress>& addresses,
                   const std::vector<std::string>& interfaces) {
  const auto list = std::make_unique<WatchList>();
  list->address_count = static_cast<uint32_t>(addresses.size());
  for (size_t i = 0; i < addresses.size(); ++i) list->addresses[i] = addresses[i];
  list->interface_count = static_cast<uint32_t>(interfaces.size());
  for (size_t i = 0; i < interfaces.size(); ++i) {
    std::snprintf(list->interfaces[i], kInterfaceNameBytes, "%s", interfaces[i].c_str());
  }
  thread_->watch(*list);
  // Batches are worked off in the cycle that takes the list, or before: after an empty one and one
  // more the list is in force.
  (void)run({});
  (void)run({});
}

Address address_of(const char* text) {
  Address address{};
  if (::inet_pton(AF_INET, text, address.bytes) != 1 &&
      ::inet_pton(AF_INET6, text, address.bytes) != 1) {
    std::abort();
  }
  return address;
}

AddressStep step(StepOp op, const char* address, uint8_t prefix, const char* interface,
                 uint16_t flags) {
  AddressStep out{};
  out.op = op;
  out.family = std::strchr(address, ':') == nullptr ? 4 : 6;
  out.prefix = prefix;
  out.flags = flags;
  out.address = address_of(address);
  std::snprintf(out.interface, sizeof(out.interface), "%s", interface);
  return out;
}

WatchAddress watched(const char* address, const char* interface) {
  WatchAddress out{};
  out.address = address_of(address);
  out.family = std::strchr(address, ':') == nullptr ? 4 : 6;
  std::snprintf(out.interface, sizeof(out.interface), "%s", interface);
  return out;
}

namespace {

const AddressTable& table_of(AddressQuery& query, uint8_t family) {
  const AddressTable* table = nullptr;
  if (query.open() != 0 || query.addresses(family, table) != 0) std::abort();
  return *table;
}

}  // namespace

std::optional<AddressRecord> configured(const char* address, const char* interface) {
  const auto query = std::make_unique<AddressQuery>();
  const uint8_t family = std::strchr(address, ':') == nullptr ? 4 : 6;
  const AddressRecord* record =
      table_of(*query, family).find(family, address_of(address), ::if_nametoindex(interface));
  if (record == nullptr) return std::nullopt;
  return *record;
}

size_t configured_count(uint8_t family, const char* interface) {
  const auto query = std::make_unique<AddressQuery>();
  const AddressTable& table = table_of(*query, family);
  const uint32_t ifindex = ::if_nametoindex(interface);
  size_t count = 0;
  for (uint32_t i = 0; i < table.count; ++i) {
    if (table.records[i].ifindex == ifindex) ++count;
  }
  return count;
}

}  // namespace twinbeat::net::testing
