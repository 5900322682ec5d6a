// Encoded steps and watch lists; the first byte says which. What is accepted is bounded and its texts end.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "core/net/step_codec.h"
#include "core/net/step_record.h"

using namespace twinbeat;
using namespace twinbeat::net;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

void steps(Bytes bytes) {
  static std::array<AddressStep, kBatchStepsMax> parsed;
  const std::uint32_t count = parse_steps(bytes, parsed);
  check(count <= parsed.size());
  for (std::uint32_t i = 0; i < count; ++i) {
    const AddressStep& step = parsed[i];
    check(is_terminated(step.interface, sizeof(step.interface)));
    check(is_terminated(step.label, sizeof(step.label)));
    if (validate_step(step) != 0) continue;
    const AddressRecord record = record_of_step(step, InterfaceRecord{});
    check(is_terminated(record.label, sizeof(record.label)));
    check(record.prefix <= (record.family == 4 ? 32 : 128));
  }
}

void watch(Bytes bytes) {
  const auto list = std::make_unique<WatchList>();
  if (!parse_watch_list(bytes, *list)) return;
  check(list->address_count <= kWatchMax && list->interface_count <= kWatchInterfacesMax);
  for (std::uint32_t i = 0; i < list->address_count; ++i) {
    const WatchAddress& address = list->addresses[i];
    check(address.family == 4 || address.family == 6);
    check(is_terminated(address.interface, sizeof(address.interface)));
  }
  for (std::uint32_t i = 0; i < list->interface_count; ++i) {
    check(is_terminated(list->interfaces[i], kInterfaceNameBytes));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Bytes rest{data + 1, size - 1};
  if (data[0] % 2 == 0) {
    steps(rest);
  } else {
    watch(rest);
  }
  return 0;
}
