// How long the kernel takes for what a takeover needs: add an address and hear its answer, remove
// it, send a prepared announcement; and the way through the netlink thread from a feeder's submit
// to the first announcement. Runs in a network namespace of its own; prints one JSON line each.
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <linux/netlink.h>
#include <memory>
#include <string>
#include <vector>

#include "core/net/announcer.h"
#include "core/net/net_thread.h"

using namespace twinbeat;
using namespace twinbeat::net;

namespace {

constexpr size_t kRounds = 5000;
constexpr size_t kWarmUp = 200;

double now_us() {
  timespec at{};
  ::clock_gettime(CLOCK_MONOTONIC_RAW, &at);
  return static_cast<double>(at.tv_sec) * 1e6 + static_cast<double>(at.tv_nsec) / 1e3;
}

void print(const char* name, std::vector<double> samples) {
  samples.erase(samples.begin(), samples.begin() + kWarmUp);
  std::sort(samples.begin(), samples.end());
  const auto at = [&](double part) {
    return samples[static_cast<size_t>(part * static_cast<double>(samples.size() - 1))];
  };
  std::printf("{\"bench\":\"%s\",\"rounds\":%zu,\"medianUs\":%.1f,\"p99Us\":%.1f,\"maxUs\":%.1f}\n",
              name, samples.size(), at(0.5), at(0.99), samples.back());
}

double timed(const std::function<void()>& action) {
  const double before = now_us();
  action();
  return now_us() - before;
}

void must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "net_bench: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

AddressStep make_step(StepOp op) {
  AddressStep step{};
  step.op = op;
  step.family = 4;
  step.prefix = 24;
  step.address = Address{{10, 9, 0, 5}};
  std::strcpy(step.interface, "tb0");
  return step;
}

void bench_kernel(NetlinkSocket& socket, const InterfaceRecord& interface) {
  AddressRecord record{};
  record.family = 4;
  record.prefix = 24;
  record.ifindex = interface.ifindex;
  record.address = Address{{10, 9, 0, 5}};
  record.peer = record.address;
  uint8_t buffer[kAddressMessageBytesMax];
  std::vector<double> adds;
  std::vector<double> removes;
  for (size_t i = 0; i < kRounds; ++i) {
    uint32_t sequence = socket.next_sequence();
    size_t bytes = encode_add(buffer, sequence, NLM_F_CREATE | NLM_F_EXCL, record);
    adds.push_back(timed([&] {
      must(socket.transact_one(Bytes(buffer, bytes), sequence) == 0, "add");
    }));
    sequence = socket.next_sequence();
    bytes = encode_remove(buffer, sequence, RemoveMode{true}, record);
    removes.push_back(timed([&] {
      must(socket.transact_one(Bytes(buffer, bytes), sequence) == 0, "remove");
    }));
  }
  print("address.add+ack", std::move(adds));
  print("address.remove+ack", std::move(removes));
}

void bench_frames(const InterfaceRecord& interface) {
  FrameSender sender;
  must(sender.open() == 0, "packet socket");
  uint8_t frame[kArpFrameBytes];
  encode_gratuitous_arp(frame, ArpForm::kRequest, interface.mac, Address{{10, 9, 0, 5}});
  std::vector<double> sends;
  for (size_t i = 0; i < kRounds; ++i) {
    sends.push_back(timed([&] { (void)sender.send(interface.ifindex, frame); }));
  }
  print("arp.send", std::move(sends));
}

void wait_for_result(NetThread& thread, int wake_fd, StepBatchResult& result) {
  while (!thread.next_result(Feeder::kEngine, result)) {
    pollfd entry{wake_fd, POLLIN, 0};
    must(::poll(&entry, 1, 5000) == 1, "no result");
    uint64_t value = 0;
    (void)!::read(wake_fd, &value, sizeof(value));
  }
  must(result.failed == 0, "batch failed");
}

void bench_thread() {
  const auto thread = std::make_unique<NetThread>();
  const int wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  NetConfig config;
  config.engine_wake_fd = wake_fd;
  config.realtime_priority = 5;
  const NetStartReport report = thread->start(config);
  must(report.running(), "netlink thread");
  const auto batch = std::make_unique<StepBatch>();
  const auto result = std::make_unique<StepBatchResult>();
  batch->count = 1;
  std::vector<double> announced;
  std::vector<double> answered;
  for (size_t i = 0; i < kRounds / 5; ++i) {
    batch->steps[0] = make_step(StepOp::kAdd);
    const Micros submitted_at = boottime_now();
    answered.push_back(timed([&] {
      must(thread->submit(Feeder::kEngine, *batch), "submit");
      wait_for_result(*thread, wake_fd, *result);
    }));
    announced.push_back(static_cast<double>(result->first_announce_at_us - submitted_at));
    batch->steps[0] = make_step(StepOp::kRemove);
    must(thread->submit(Feeder::kEngine, *batch), "submit");
    wait_for_result(*thread, wake_fd, *result);
  }
  print(report.realtime_errno == 0 ? "thread.submit->announced (fifo)"
                                   : "thread.submit->announced (normal)",
        std::move(announced));
  print("thread.submit->result", std::move(answered));
  std::vector<double> batches;
  for (size_t round = 0; round < kWarmUp + 20; ++round) {
    for (const StepOp op : {StepOp::kAdd, StepOp::kRemove}) {
      batch->count = 200;
      for (size_t i = 0; i < 200; ++i) {
        batch->steps[i] = make_step(op);
        batch->steps[i].address.bytes[3] = static_cast<uint8_t>(i + 1);
      }
      const double took = timed([&] {
        must(thread->submit(Feeder::kEngine, *batch), "submit");
        wait_for_result(*thread, wake_fd, *result);
      });
      if (op == StepOp::kAdd) batches.push_back(took);
    }
  }
  print("thread.200 addresses", std::move(batches));
  thread->stop();
  ::close(wake_fd);
}

}  // namespace

int main() {
  must(::unshare(CLONE_NEWNET) == 0, "a network namespace of its own");
  must(std::system("ip link add tb0 type veth peer name tb1 && ip link set tb0 up && "
                   "ip link set tb1 up") == 0,
       "veth pair");
  const auto monitor = std::make_unique<NetlinkMonitor>();
  const auto socket = std::make_unique<NetlinkSocket>();
  must(socket->open(0) == 0 && monitor->open(*socket) == 0, "netlink");
  const InterfaceRecord* interface = monitor->interfaces().by_name("tb0");
  must(interface != nullptr, "tb0");
  monitor->close();
  bench_kernel(*socket, *interface);
  bench_frames(*interface);
  bench_thread();
  return 0;
}
