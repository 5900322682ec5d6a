// From a step to the kernel's form of an address, and the forms a secondary takes while its
// primary goes. Pure.
#pragma once

#include "core/net/nl_message.h"

namespace twinbeat::net {

// 0, or EINVAL for a step that could not be meant: unknown operation or flag, impossible prefix,
// a name without end, a label that does not belong to the interface.
[[nodiscard]] int validate_step(const AddressStep& step) noexcept;

// The step is valid; the broadcast address is computed if it is wanted and not given.
[[nodiscard]] AddressRecord record_of_step(const AddressStep& step,
                                           const InterfaceRecord& interface) noexcept;

// The same address as a host address without routes of its own, for at most a minute: should this
// process die in the middle, the kernel tidies up.
[[nodiscard]] AddressRecord footing_of(const AddressRecord& secondary) noexcept;
// As it was, without the marks that only the kernel sets.
[[nodiscard]] AddressRecord restored_form(const AddressRecord& secondary) noexcept;

// "<interface>:<number>"; false when that does not fit.
[[nodiscard]] bool write_alias_label(char (&out)[kLabelBytes], const char* interface,
                                     uint32_t number) noexcept;

}  // namespace twinbeat::net
