#include "core/net/step_record.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <algorithm>

namespace twinbeat::net {
namespace {

constexpr uint32_t kFootingSeconds = 60;
constexpr uint8_t kLoopbackNet = 127;

void compute_broadcast(const Address& address, uint8_t prefix, uint8_t (&out)[4]) noexcept {
  for (size_t i = 0; i < 4; ++i) {
    const size_t kept = std::min<size_t>(prefix > i * 8 ? prefix - i * 8 : 0, 8);
    out[i] = static_cast<uint8_t>(address.bytes[i] | (0xff >> kept));
  }
}

bool label_belongs(const char* label, const char* interface) noexcept {
  const size_t length = ::strnlen(interface, kInterfaceNameBytes);
  if (std::strncmp(label, interface, length) != 0) return false;
  return label[length] == '\0' || label[length] == ':';
}

}  // namespace

int validate_step(const AddressStep& step) noexcept {
  switch (step.op) {
    case StepOp::kAdd:
    case StepOp::kRemove:
    case StepOp::kAnnounce:
    case StepOp::kQuery:
      break;
    default:
      return EINVAL;
  }
  if (step.family != 4 && step.family != 6) return EINVAL;
  if (step.prefix > (step.family == 4 ? 32 : 128)) return EINVAL;
  if ((step.flags & ~kStepFlagsKnown) != 0) return EINVAL;
  if (!is_terminated(step.interface, kInterfaceNameBytes)) return EINVAL;
  if (!is_terminated(step.label, kLabelBytes)) return EINVAL;
  if (step.interface[0] == '\0' && step.ifindex == 0) return EINVAL;
  if (step.op == StepOp::kAdd) {
    // Length 0 would make the whole address space local to this link.
    if (step.prefix == 0) return EINVAL;
    if (step.label[0] != '\0' && step.family == 4 && step.interface[0] != '\0' &&
        !label_belongs(step.label, step.interface)) {
      return EINVAL;
    }
  }
  const size_t size = step.family == 4 ? 4 : 16;
  const bool nothing = std::all_of(step.address.bytes, step.address.bytes + size,
                                   [](uint8_t byte) { return byte == 0; });
  return nothing ? EINVAL : 0;
}

AddressRecord record_of_step(const AddressStep& step, const InterfaceRecord& interface) noexcept {
  AddressRecord record{};
  record.family = step.family;
  record.prefix = step.prefix;
  record.ifindex = interface.ifindex;
  record.address = step.address;
  record.peer = step.address;
  if (step.valid_lft_s != 0) {
    record.valid_lft_s = step.valid_lft_s;
    record.preferred_lft_s = step.valid_lft_s;
  }
  if ((step.flags & kStepNoPrefixRoute) != 0) record.flags |= IFA_F_NOPREFIXROUTE;
  if (step.family == 6) {
    // The kernel's own duplicate check takes a second, in which the address does not work.
    record.flags |= IFA_F_NODAD;
    return record;
  }
  if (step.address.bytes[0] == kLoopbackNet) record.scope = RT_SCOPE_HOST;
  std::memcpy(record.label, step.label, sizeof(record.label));
  if ((step.flags & kStepBroadcastSet) != 0) {
    record.has_broadcast = true;
    std::memcpy(record.broadcast, step.broadcast, 4);
  } else if ((step.flags & kStepNoBroadcast) == 0 && step.prefix < 31) {
    record.has_broadcast = true;
    compute_broadcast(step.address, step.prefix, record.broadcast);
  }
  return record;
}

AddressRecord footing_of(const AddressRecord& secondary) noexcept {
  AddressRecord record{};
  record.family = secondary.family;
  record.prefix = 32;
  record.ifindex = secondary.ifindex;
  record.scope = secondary.scope;
  record.address = secondary.address;
  record.peer = secondary.address;
  record.flags = IFA_F_NOPREFIXROUTE;
  record.valid_lft_s = kFootingSeconds;
  record.preferred_lft_s = kFootingSeconds;
  return record;
}

AddressRecord restored_form(const AddressRecord& secondary) noexcept {
  AddressRecord record = secondary;
  record.flags &= ~static_cast<uint32_t>(IFA_F_SECONDARY | IFA_F_PERMANENT | IFA_F_TENTATIVE |
                                         IFA_F_DEPRECATED);
  // The kernel refuses a lifetime of 0; less than a second was left.
  record.valid_lft_s = std::max(record.valid_lft_s, uint32_t{1});
  return record;
}

bool write_alias_label(char (&out)[kLabelBytes], const char* interface, uint32_t number) noexcept {
  const size_t length = ::strnlen(interface, kInterfaceNameBytes - 1);
  std::memset(out, 0, sizeof(out));
  if (length + 2 > kLabelBytes - 1) return false;
  std::memcpy(out, interface, length);
  out[length] = ':';
  const auto written = std::to_chars(out + length + 1, out + kLabelBytes - 1, number);
  return written.ec == std::errc{};
}

}  // namespace twinbeat::net
