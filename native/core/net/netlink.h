// A route netlink socket of one thread: requests that are answered before the call returns, and
// dumps. The kernel works a request off inside the sender's sendmsg(), waiting for its
// kernel-wide lock if it must: that is why the engine thread never calls anything here.
#pragma once

#include <cstdint>
#include <span>

#include "core/net/nl_message.h"

namespace twinbeat::net {

// Addresses that a table of one machine holds; beyond it `truncated` is set. A node of a pair has
// tens; 2048 covers routers full of aliases.
inline constexpr size_t kAddressTableMax = 2048;

// Everything configured on this machine for one family, from one dump.
struct AddressTable {
  uint32_t count = 0;
  bool truncated = false;
  bool valid = false;
  AddressRecord records[kAddressTableMax];

  void clear() noexcept;
  void add(const AddressRecord& record) noexcept;
  void erase(uint32_t index) noexcept;
  // First entry with this address on this interface (0: on any); nullptr if there is none.
  [[nodiscard]] const AddressRecord* find(uint8_t family, const Address& address,
                                          uint32_t ifindex) const noexcept;
};

class NetlinkSocket {
 public:
  NetlinkSocket() noexcept = default;
  ~NetlinkSocket() { close(); }
  NetlinkSocket(const NetlinkSocket&) = delete;
  NetlinkSocket& operator=(const NetlinkSocket&) = delete;

  // `groups`: RTMGRP_* to listen to, 0 for a socket of requests. Returns an errno.
  [[nodiscard]] int open(uint32_t groups) noexcept;
  void close() noexcept;
  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] uint32_t next_sequence() noexcept { return ++sequence_; }

  // Sends `messages` (each with NLM_F_ACK, numbered consecutively from `first_sequence`) in one
  // datagram and waits for every answer. errors[i] = errno of message i. Returns an errno of the
  // exchange itself.
  [[nodiscard]] int transact(Bytes messages, uint32_t first_sequence,
                             std::span<int> errors) noexcept;
  [[nodiscard]] int transact_one(Bytes message, uint32_t sequence) noexcept;

  // `each(context, message)` for every message of the answer. A dump that the kernel says was
  // disturbed by a change is returned as EAGAIN: start again.
  using Visitor = void (*)(void* context, const NlMessage& message);
  [[nodiscard]] int request(Bytes message, uint32_t sequence, Visitor each, void* context) noexcept;

  // Reads one datagram without waiting. EAGAIN: nothing there; ENOBUFS: some were lost.
  [[nodiscard]] int receive(Bytes& datagram) noexcept;

 private:
  [[nodiscard]] int send_all(Bytes messages) noexcept;
  [[nodiscard]] int receive_from_kernel(Bytes& datagram, int flags) noexcept;

  int fd_ = -1;
  uint32_t sequence_ = 0;
  alignas(8) uint8_t buffer_[32768];  // the largest piece of a dump the kernel makes
};

[[nodiscard]] int dump_addresses(NetlinkSocket& socket, uint8_t family,
                                 AddressTable& table) noexcept;
using InterfaceVisitor = void (*)(void* context, const InterfaceRecord& record);
[[nodiscard]] int dump_interfaces(NetlinkSocket& socket, InterfaceVisitor each,
                                  void* context) noexcept;

// What an encoded message needs at most; checked by the encoders.
inline constexpr size_t kAddressMessageBytesMax = 160;

// Both return the encoded size. `create_flags`: NLM_F_* beside request and ack.
[[nodiscard]] size_t encode_add(std::span<uint8_t> buffer, uint32_t sequence, uint16_t create_flags,
                                const AddressRecord& record) noexcept;
// With `exact_prefix` unset the kernel takes the first entry of that address, whatever its length.
struct RemoveMode {
  bool exact_prefix;
};
[[nodiscard]] size_t encode_remove(std::span<uint8_t> buffer, uint32_t sequence, RemoveMode mode,
                                   const AddressRecord& record) noexcept;

}  // namespace twinbeat::net
