// Whatever arrives on a netlink socket: message walking, attributes, and every record made of them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "core/net/nl_message.h"
#include "core/net/step_record.h"

using namespace twinbeat::net;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// A record that was read must be writable again, within its buffer, and read back as the same.
void check_address(const AddressRecord& record) {
  require(record.family == 4 || record.family == 6);
  require(record.prefix <= (record.family == 4 ? 32 : 128));
  require(is_terminated(record.label, sizeof(record.label)));
  (void)footing_of(record);
  require(restored_form(record).valid_lft_s > 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  NlMessages messages(Bytes(data, size));
  NlMessage message;
  size_t consumed = 0;
  while (messages.next(message)) {
    consumed += 16 + message.body.size();
    require(consumed <= size + 3);
    AddressRecord address;
    if (parse_address(message, address)) check_address(address);
    InterfaceRecord interface;
    if (parse_interface(message, interface)) {
      require(is_terminated(interface.name, sizeof(interface.name)) && interface.ifindex > 0);
    }
    RouteRecord route;
    if (parse_route(message, route)) require(route.prefix <= 128);
    int error = 0;
    if (parse_error(message, error)) require(error >= 0 && error < 4096);
  }
  return 0;
}
