// Links without a kernel, for the manual clock: what is sent is collected, what is to be heard is put in. Tests and the
// simulator only; unlike the real links it allocates.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "core/link/link.h"

namespace twinbeat {

class ManualLink;

struct ManualPacket {
  std::string link;
  std::vector<std::uint8_t> bytes;
};

// All manual links of one engine. Must outlive the engine.
class ManualHub {
 public:
  // For Engine::Options: `context` is the hub.
  static std::unique_ptr<Link> make(const LinkSpec& spec, std::uint16_t instance, void* context);

  // False when there is no open link of that name.
  bool inject(std::string_view link, Bytes bytes, Micros at);
  [[nodiscard]] std::vector<ManualPacket> collect();
  // errno of every open() and send() of that link from now on; 0 = works.
  void break_link(std::string_view link, int error);

 private:
  friend class ManualLink;
  std::vector<ManualLink*> links_;
  std::vector<ManualPacket> sent_;
};

class ManualLink final : public Link {
 public:
  ManualLink(const LinkSpec& spec, ManualHub& hub);
  ~ManualLink() override;

  int open() noexcept override;
  void close() noexcept override { open_ = false; }
  [[nodiscard]] bool is_open() const noexcept override { return open_; }
  [[nodiscard]] bool wants_classic() const noexcept override { return spec_.type == LinkType::kSerial; }
  SendResult send(const Outgoing& out, const Cycle& cycle) noexcept override;
  bool receive(PacketSink& sink, const Cycle& cycle, ReceiveArena& arena) noexcept override;

 private:
  friend class ManualHub;
  struct Waiting {
    std::vector<std::uint8_t> bytes;
    Micros at;
  };

  ManualHub& hub_;
  std::deque<Waiting> waiting_;
  int broken_ = 0;
  bool open_ = false;
};

}  // namespace twinbeat
