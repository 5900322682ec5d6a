// The command line of the prober.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>
#include <vector>

namespace prober {

/// An IPv4 or IPv6 address, with a port where one belongs to it.
struct Endpoint {
  sockaddr_storage raw{};
  socklen_t size = 0;
  std::string text;

  [[nodiscard]] int family() const { return raw.ss_family; }
  [[nodiscard]] const void* bytes() const;
  [[nodiscard]] std::size_t byte_count() const { return family() == AF_INET6 ? 16 : 4; }
};

struct NodeSpec {
  std::string name;
  std::string netns;
};

struct PortSpec {
  std::string netns;
  std::string interface;
};

enum class Probe : std::uint8_t { kNone, kUdp, kTcp, kIcmp };

struct Options {
  bool answering = false;
  std::vector<NodeSpec> nodes;
  PortSpec client{"", "eth0"};
  PortSpec bridge;
  /// Where heartbeats pass, and how far apart they must be to be told.
  PortSpec gaps;
  std::int64_t gap_ns = 3'000'000;
  Probe probe = Probe::kNone;
  Endpoint target;
  std::vector<Endpoint> addresses;
  std::int64_t every_ns = 500'000;
  std::int64_t arp_every_ns = 0;
  std::int64_t duration_ns = 0;
  bool raw = false;
  bool brief = false;
  // Of the answering side.
  std::string name;
  std::string netns;
  std::uint16_t port = 0;
};

/// Ends the process with a message when the words make no sense.
Options parse_options(int argc, char** argv);
[[noreturn]] void fail(const std::string& what);

}  // namespace prober
