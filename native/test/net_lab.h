// Two fresh network namespaces joined by a cable (veth): `here`, in which the test's thread lives,
// and `there`, the neighbour. Everything vanishes with the object.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/net/address_query.h"
#include "core/net/net_thread.h"

namespace twinbeat::net::testing {

class NetLab {
 public:
  NetLab();
  ~NetLab();
  NetLab(const NetLab&) = delete;
  NetLab& operator=(const NetLab&) = delete;

  // False, after a loud message, where namespaces are not permitted.
  [[nodiscard]] bool usable() const { return usable_; }
  // Shell commands; true for exit code 0.
  bool here(const std::string& command) const;
  bool there(const std::string& command) const;
  void inside_there(const std::function<void()>& action) const;

  static constexpr const char* kHere = "tb0";
  static constexpr const char* kThere = "peer0";

 private:
  bool usable_ = false;
  int original_ns_ = -1;
  int here_ns_ = -1;
  int there_ns_ = -1;
};

// Sees and sends whole frames at the neighbour's end of the cable.
class Sniffer {
 public:
  explicit Sniffer(const NetLab& lab);
  ~Sniffer();
  // The next frame that `wanted` accepts, nothing after two seconds.
  std::optional<std::vector<uint8_t>> next(const std::function<bool(Bytes)>& wanted,
                                           int patience_ms = 2000) const;
  void send(Bytes frame) const;
  [[nodiscard]] Mac mac() const { return mac_; }

 private:
  int fd_ = -1;
  Mac mac_{};
};

// A netlink thread with what a test asks of it; waits are bounded by five seconds.
class Keeper {
 public:
  explicit Keeper(NetConfig config = fast_config());
  ~Keeper();
  static NetConfig fast_config();

  StepBatchResult run(const std::vector<AddressStep>& steps, int64_t not_after_us = 0);
  uint64_t submit(const std::vector<AddressStep>& steps, int64_t not_after_us = 0,
                  uint32_t stamp = 0);
  StepBatchResult wait_result(uint64_t token);
  std::optional<NetEvent> wait_event(NetEventType type, int patience_ms = 5000);
  void watch(const std::vector<WatchAddress>& addresses,
             const std::vector<std::string>& interfaces = {});

  NetThread& thread() { return *thread_; }
  NetStartReport report;

 private:
  void collect();
  bool wait_wake(int64_t deadline_us) const;

  std::unique_ptr<NetThread> thread_;
  int wake_fd_ = -1;
  uint64_t token_ = 0;
  std::vector<StepBatchResult> results_;
  std::vector<NetEvent> events_;
};

Address address_of(const char* text);
AddressStep step(StepOp op, const char* address, uint8_t prefix,
                 const char* interface = NetLab::kHere, uint16_t flags = 0);
WatchAddress watched(const char* address, const char* interface = NetLab::kHere);

// What the kernel has: nothing if the address is not there.
std::optional<AddressRecord> configured(const char* address, const char* interface = NetLab::kHere);
size_t configured_count(uint8_t family, const char* interface = NetLab::kHere);

}  // namespace twinbeat::net::testing

#define TB_NEEDS_LAB(lab)                                                                    \
  if (!(lab).usable()) {                                                                     \
    MESSAGE("SKIPPED: no permission for network namespaces, nothing of this test was checked"); \
    return;                                                                                  \
  }
