// Takes addresses off this machine and looks whether they are gone. Its own netlink socket; nothing is allocated.
#pragma once

#include <bitset>

#include "core/guard/page_reader.h"
#include "core/net/netlink.h"

namespace twinbeat::guard {

struct ReleaseCount {
  std::uint32_t removed = 0;
  std::uint32_t failed = 0;  // removals that the kernel refused
  int error = 0;             // of the exchange itself; 0: the kernel answered everything
};

class Releaser {
 public:
  // 0 or an errno. The network namespace is the one of this moment.
  [[nodiscard]] int open() noexcept;

  // Every address of the plan, wherever its interface is now; absent is success. Addresses of others that the
  // kernel would remove along with them are put back.
  [[nodiscard]] ReleaseCount remove(const Plan& plan) noexcept;

  // Groups of which an address is still there, from one dump; false: the kernel could not be asked.
  [[nodiscard]] bool find_present(const Plan& plan, std::bitset<kGroupsMax>& groups) noexcept;

  // While nobody else does: lifetimes of addresses that are there and have one. `valid_s[group]`: what they get;
  // 0 leaves them alone.
  void refresh(const Plan& plan, std::span<const std::uint32_t, kGroupsMax> valid_s) noexcept;

 private:
  static constexpr std::size_t kPerDatagram = 32;
  static constexpr std::size_t kBystandersMax = 256;

  void resolve_interfaces(const Plan& plan) noexcept;
  [[nodiscard]] const PlanAddress* owner_of(const Plan& plan, const net::AddressRecord& record) const noexcept;
  [[nodiscard]] bool dump(std::uint8_t family) noexcept;
  void remove_family(const Plan& plan, std::uint8_t family, ReleaseCount& count) noexcept;
  void remove_blindly(const Plan& plan, std::uint8_t family, ReleaseCount& count) noexcept;
  void remove_records(std::span<const net::AddressRecord> records, ReleaseCount& count) noexcept;
  void collect_bystanders(const Plan& plan) noexcept;
  void put_back_bystanders() noexcept;

  net::NetlinkSocket socket_;
  int query_fd_ = -1;
  std::array<std::uint32_t, kAddressesMax> ifindex_{};  // of the plan's interface names, now; 0: there is none
  net::AddressTable table_;
  std::uint32_t victim_count_ = 0;
  std::array<net::AddressRecord, kAddressesMax> victims_{};
  std::uint32_t bystander_count_ = 0;
  std::array<net::AddressRecord, kBystandersMax> bystanders_{};
};

}  // namespace twinbeat::guard
