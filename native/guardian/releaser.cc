#include "guardian/releaser.h"

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace twinbeat::guard {

namespace {

// What the kernel sets by itself and refuses or misreads when it is given back.
constexpr std::uint32_t kKernelFlags = IFA_F_SECONDARY | IFA_F_PERMANENT | IFA_F_TENTATIVE | IFA_F_DADFAILED;

bool has_family(const Plan& plan, std::uint8_t family) noexcept {
  for (std::uint32_t i = 0; i < plan.address_count; ++i) {
    if (plan.addresses[i].family == family) return true;
  }
  return false;
}

bool is_absent(int error) noexcept { return error == 0 || error == EADDRNOTAVAIL || error == ENODEV; }

bool is_bystander_of(const net::AddressRecord& record, const net::AddressRecord& victim) noexcept {
  if (record.family != 4 || record.ifindex != victim.ifindex) return false;
  if ((record.flags & IFA_F_SECONDARY) == 0 || (victim.flags & IFA_F_SECONDARY) != 0) return false;
  return record.prefix == victim.prefix && net::same_subnet(record.address, victim.address, record.prefix);
}

}  // namespace

int Releaser::open() noexcept {
  query_fd_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (query_fd_ < 0) return errno;
  return socket_.open(0);
}

void Releaser::resolve_interfaces(const Plan& plan) noexcept {
  for (std::uint32_t i = 0; i < plan.address_count; ++i) {
    const char* name = plan.addresses[i].interface;
    const bool same = i > 0 && net::same_name(name, plan.addresses[i - 1].interface);
    if (same) {
      ifindex_[i] = ifindex_[i - 1];
      continue;
    }
    ifreq request{};
    std::memcpy(request.ifr_name, name, sizeof(plan.addresses[i].interface));
    ifindex_[i] = ::ioctl(query_fd_, SIOCGIFINDEX, &request) == 0 ? static_cast<std::uint32_t>(request.ifr_ifindex) : 0;
  }
}

const PlanAddress* Releaser::owner_of(const Plan& plan, const net::AddressRecord& record) const noexcept {
  for (std::uint32_t i = 0; i < plan.address_count; ++i) {
    const PlanAddress& address = plan.addresses[i];
    if (address.family != record.family) continue;
    // A renamed interface keeps its number, a recreated one its name.
    const bool here = (ifindex_[i] != 0 && ifindex_[i] == record.ifindex) ||
                      (address.ifindex != 0 && address.ifindex == record.ifindex);
    const std::size_t bytes = address.family == 4 ? 4 : 16;
    if (here && std::memcmp(address.bytes, record.address.bytes, bytes) == 0) return &address;
  }
  return nullptr;
}

bool Releaser::dump(std::uint8_t family) noexcept {
  return net::dump_addresses(socket_, family, table_) == 0 && !table_.truncated;
}

ReleaseCount Releaser::remove(const Plan& plan) noexcept {
  ReleaseCount count;
  resolve_interfaces(plan);
  for (const std::uint8_t family : {std::uint8_t{4}, std::uint8_t{6}}) {
    if (has_family(plan, family)) remove_family(plan, family, count);
  }
  return count;
}

void Releaser::remove_family(const Plan& plan, std::uint8_t family, ReleaseCount& count) noexcept {
  if (!dump(family)) {
    remove_blindly(plan, family, count);
    return;
  }
  victim_count_ = 0;
  for (std::uint32_t i = 0; i < table_.count && victim_count_ < kAddressesMax; ++i) {
    if (owner_of(plan, table_.records[i]) != nullptr) victims_[victim_count_++] = table_.records[i];
  }
  if (victim_count_ == 0) return;
  collect_bystanders(plan);
  remove_records({victims_.data(), victim_count_}, count);
  if (bystander_count_ > 0) put_back_bystanders();
}

// The kernel does not tell what is there: whatever could be there is asked to go.
void Releaser::remove_blindly(const Plan& plan, std::uint8_t family, ReleaseCount& count) noexcept {
  victim_count_ = 0;
  for (std::uint32_t i = 0; i < plan.address_count; ++i) {
    const PlanAddress& address = plan.addresses[i];
    if (address.family != family || (ifindex_[i] == 0 && address.ifindex == 0)) continue;
    net::AddressRecord& record = victims_[victim_count_++];
    record = net::AddressRecord{};
    record.family = family;
    record.prefix = address.prefix;
    record.ifindex = ifindex_[i] != 0 ? ifindex_[i] : address.ifindex;
    std::memcpy(record.address.bytes, address.bytes, sizeof(address.bytes));
    record.peer = record.address;
  }
  remove_records({victims_.data(), victim_count_}, count);
}

void Releaser::remove_records(std::span<const net::AddressRecord> records, ReleaseCount& count) noexcept {
  while (!records.empty()) {
    const auto part = records.first(std::min(records.size(), kPerDatagram));
    records = records.subspan(part.size());
    alignas(8) std::uint8_t buffer[kPerDatagram * net::kAddressMessageBytesMax];
    int errors[kPerDatagram];
    std::size_t used = 0;
    const std::uint32_t first = socket_.next_sequence();
    for (std::size_t i = 0; i < part.size(); ++i) {
      const std::uint32_t sequence = i == 0 ? first : socket_.next_sequence();
      used += net::encode_remove(std::span(buffer).subspan(used), sequence, net::RemoveMode{false}, part[i]);
    }
    const int error = socket_.transact(net::Bytes(buffer, used), first, std::span<int>(errors, part.size()));
    if (error != 0) count.error = error;
    for (std::size_t i = 0; i < part.size(); ++i) {
      if (errors[i] == 0) ++count.removed;
      if (!is_absent(errors[i])) ++count.failed;
    }
  }
}

void Releaser::collect_bystanders(const Plan& plan) noexcept {
  bystander_count_ = 0;
  for (std::uint32_t i = 0; i < table_.count && bystander_count_ < kBystandersMax; ++i) {
    const net::AddressRecord& record = table_.records[i];
    if (owner_of(plan, record) != nullptr) continue;
    for (std::uint32_t k = 0; k < victim_count_; ++k) {
      if (!is_bystander_of(record, victims_[k])) continue;
      bystanders_[bystander_count_++] = record;
      break;
    }
  }
}

void Releaser::put_back_bystanders() noexcept {
  for (std::uint32_t i = 0; i < bystander_count_; ++i) {
    net::AddressRecord record = bystanders_[i];
    record.flags &= ~kKernelFlags;
    std::uint8_t buffer[net::kAddressMessageBytesMax];
    const std::uint32_t sequence = socket_.next_sequence();
    // EEXIST: the kernel promoted it.
    const std::size_t used = net::encode_add(buffer, sequence, NLM_F_CREATE | NLM_F_EXCL, record);
    static_cast<void>(socket_.transact_one(net::Bytes(buffer, used), sequence));
  }
}

bool Releaser::find_present(const Plan& plan, std::bitset<kGroupsMax>& groups) noexcept {
  groups.reset();
  resolve_interfaces(plan);
  for (const std::uint8_t family : {std::uint8_t{4}, std::uint8_t{6}}) {
    if (!has_family(plan, family)) continue;
    if (!dump(family)) return false;
    for (std::uint32_t i = 0; i < table_.count; ++i) {
      const PlanAddress* owner = owner_of(plan, table_.records[i]);
      if (owner != nullptr) groups.set(owner->group);
    }
  }
  return true;
}

void Releaser::refresh(const Plan& plan, std::span<const std::uint32_t, kGroupsMax> valid_s) noexcept {
  resolve_interfaces(plan);
  for (const std::uint8_t family : {std::uint8_t{4}, std::uint8_t{6}}) {
    if (!has_family(plan, family) || !dump(family)) continue;
    for (std::uint32_t i = 0; i < table_.count; ++i) {
      net::AddressRecord record = table_.records[i];
      const PlanAddress* owner = owner_of(plan, record);
      if (owner == nullptr || valid_s[owner->group] == 0 || record.valid_lft_s == net::kLifetimeForever) continue;
      record.flags &= ~kKernelFlags;
      record.valid_lft_s = valid_s[owner->group];
      record.preferred_lft_s = record.valid_lft_s;
      std::uint8_t buffer[net::kAddressMessageBytesMax];
      const std::uint32_t sequence = socket_.next_sequence();
      const std::size_t used = net::encode_add(buffer, sequence, NLM_F_REPLACE, record);
      static_cast<void>(socket_.transact_one(net::Bytes(buffer, used), sequence));
    }
  }
}

}  // namespace twinbeat::guard
