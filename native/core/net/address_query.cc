#include "core/net/address_query.h"

#include <cerrno>
#include <cstring>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace twinbeat::net {
namespace {

struct RouteFill {
  RouteRecord route;
  bool found;
};

void take_route(void* context, const NlMessage& message) {
  auto* fill = static_cast<RouteFill*>(context);
  if (!fill->found && parse_route(message, fill->route)) fill->found = true;
}

struct NameFill {
  uint32_t ifindex;
  char (&name)[kInterfaceNameBytes];
  bool found;
};

void take_name(void* context, const NlMessage& message) {
  auto* fill = static_cast<NameFill*>(context);
  InterfaceRecord record;
  if (!parse_interface(message, record) || record.ifindex != fill->ifindex) return;
  std::memcpy(fill->name, record.name, kInterfaceNameBytes);
  fill->found = true;
}

}  // namespace

int AddressQuery::addresses(uint8_t family, const AddressTable*& out) noexcept {
  out = &table_;
  if (family != 4 && family != 6) return EINVAL;
  return dump_addresses(socket_, family, table_);
}

int AddressQuery::interface_name(uint32_t ifindex, char (&out)[kInterfaceNameBytes]) noexcept {
  uint8_t buffer[kAddressMessageBytesMax];
  ifinfomsg header{};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = static_cast<int>(ifindex);
  NlWriter writer(buffer);
  const uint32_t sequence = socket_.next_sequence();
  writer.begin(RTM_GETLINK, NLM_F_REQUEST, sequence);
  writer.body(header);
  NameFill fill{ifindex, out, false};
  const int error = socket_.request(Bytes(buffer, writer.end()), sequence, take_name, &fill);
  if (error != 0) return error;
  return fill.found ? 0 : ENODEV;
}

int AddressQuery::route(uint8_t family, const Address& address, RouteAnswer& out) noexcept {
  if (family != 4 && family != 6) return EINVAL;
  const AddressTable* table = nullptr;
  if (const int error = addresses(family, table); error != 0) return error;
  out = RouteAnswer{};
  // The route to an address of our own leads to the loopback; its interface is where it stands.
  if (const AddressRecord* own = table->find(family, address, 0); own != nullptr) {
    out.ifindex = own->ifindex;
    out.prefix = own->prefix;
    out.is_local = true;
    return interface_name(out.ifindex, out.interface);
  }
  uint8_t buffer[kAddressMessageBytesMax];
  rtmsg header{};
  header.rtm_family = family == 4 ? AF_INET : AF_INET6;
  header.rtm_dst_len = family == 4 ? 32 : 128;
  header.rtm_flags = RTM_F_FIB_MATCH;  // the route itself, with its length
  NlWriter writer(buffer);
  const uint32_t sequence = socket_.next_sequence();
  writer.begin(RTM_GETROUTE, NLM_F_REQUEST, sequence);
  writer.body(header);
  writer.attribute(RTA_DST, address.bytes, family == 4 ? 4 : 16);
  RouteFill fill{};
  const int error = socket_.request(Bytes(buffer, writer.end()), sequence, take_route, &fill);
  if (error != 0) return error;
  const bool carries = fill.found && fill.route.type == RTN_UNICAST && fill.route.ifindex != 0;
  if (!carries) return ENETUNREACH;
  out.ifindex = fill.route.ifindex;
  out.prefix = fill.route.prefix;
  out.has_gateway = fill.route.has_gateway;
  return interface_name(out.ifindex, out.interface);
}

}  // namespace twinbeat::net
