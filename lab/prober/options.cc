#include "options.h"

#include <arpa/inet.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace prober {

namespace {

constexpr const char* kUsage =
    "usage: prober --client NETNS[:IF] [--node NAME=NETNS ...] [--bridge NETNS:IF]\n"
    "              [--target ADDR:PORT | --tcp ADDR:PORT | --icmp ADDR] [--address ADDR[,ADDR...]]\n"
    "              [--every-us 500] [--arp-every-us N] [--duration-ms N] [--raw] [--brief]\n"
    "              [--gaps NETNS:IF] [--gap-us 3000]\n"
    "       prober answer --netns NETNS --name NODE --port PORT\n"
    "NETNS is a file such as /proc/PID/ns/net. Lines on standard input: mark TEXT | kill PID... | term PID... |\n"
    "stop PID... | cont PID... | port down|up INDEX... | link down|up INDEX... (interfaces of the bridge's namespace).\n";

bool parse_address(const std::string& text, std::uint16_t port, Endpoint& to) {
  to.text = text;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&to.raw);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&to.raw);
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    to.size = sizeof *v4;
    return true;
  }
  if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    to.size = sizeof *v6;
    return true;
  }
  return false;
}

Endpoint address_of(const std::string& text, std::uint16_t port) {
  Endpoint endpoint;
  if (!parse_address(text, port, endpoint)) fail("not an address: " + text);
  return endpoint;
}

std::int64_t number_of(const std::string& text) {
  char* end = nullptr;
  const long long value = std::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || value < 0) fail("not a number: " + text);
  return value;
}

/// ADDR:PORT or [ADDR]:PORT.
Endpoint endpoint_of(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) fail("no port in " + text);
  std::string host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const std::int64_t port = number_of(text.substr(colon + 1));
  if (port < 1 || port > 65535) fail("not a port: " + text);
  return address_of(host, static_cast<std::uint16_t>(port));
}

PortSpec port_of(const std::string& text, const std::string& fallback) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return {text, fallback};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

NodeSpec node_of(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) fail("a node is NAME=NETNS, not " + text);
  return {text.substr(0, equals), text.substr(equals + 1)};
}

void add_addresses(const std::string& list, Options& options) {
  std::size_t from = 0;
  while (from <= list.size()) {
    const std::size_t comma = std::min(list.find(',', from), list.size());
    options.addresses.push_back(address_of(list.substr(from, comma - from), 0));
    from = comma + 1;
  }
}

void set_target(Options& options, Probe probe, Endpoint target) {
  options.probe = probe;
  options.target = std::move(target);
}

void read_word(Options& options, const std::string& word, const std::string& value) {
  if (word == "--node") options.nodes.push_back(node_of(value));
  else if (word == "--client") options.client = port_of(value, "eth0");
  else if (word == "--bridge") options.bridge = port_of(value, "br0");
  else if (word == "--gaps") options.gaps = port_of(value, "br1");
  else if (word == "--gap-us") options.gap_ns = number_of(value) * 1000;
  else if (word == "--target") set_target(options, Probe::kUdp, endpoint_of(value));
  else if (word == "--tcp") set_target(options, Probe::kTcp, endpoint_of(value));
  else if (word == "--icmp") set_target(options, Probe::kIcmp, address_of(value, 0));
  else if (word == "--address") add_addresses(value, options);
  else if (word == "--every-us") options.every_ns = number_of(value) * 1000;
  else if (word == "--arp-every-us") options.arp_every_ns = number_of(value) * 1000;
  else if (word == "--duration-ms") options.duration_ns = number_of(value) * 1'000'000;
  else if (word == "--netns") options.netns = value;
  else if (word == "--name") options.name = value;
  else if (word == "--port") options.port = static_cast<std::uint16_t>(number_of(value));
  else fail("unknown word: " + word);
}

void check(const Options& options) {
  if (options.answering) {
    if (options.netns.empty() || options.name.empty() || options.port == 0) fail("answer needs --netns --name --port");
    return;
  }
  if (options.client.netns.empty()) fail("--client is needed");
  if (options.every_ns < 50'000) fail("--every-us is at least 50");
  if (options.nodes.size() > 8) fail("at most 8 nodes");
  if (options.addresses.size() > 1024) fail("at most 1024 addresses");
}

}  // namespace

const void* Endpoint::bytes() const {
  if (family() == AF_INET6) return &reinterpret_cast<const sockaddr_in6*>(&raw)->sin6_addr;
  return &reinterpret_cast<const sockaddr_in*>(&raw)->sin_addr;
}

void fail(const std::string& what) {
  std::fprintf(stderr, "prober: %s\n%s", what.c_str(), kUsage);
  std::exit(2);
}

Options parse_options(int argc, char** argv) {
  Options options;
  int at = 1;
  if (at < argc && std::strcmp(argv[at], "answer") == 0) {
    options.answering = true;
    ++at;
  }
  while (at < argc) {
    const std::string word = argv[at++];
    if (word == "--raw") {
      options.raw = true;
    } else if (word == "--brief") {
      options.brief = true;
    } else {
      if (at >= argc) fail("no value for " + word);
      read_word(options, word, argv[at++]);
    }
  }
  check(options);
  // What is probed is watched as well, and first.
  if (options.addresses.empty() && options.probe != Probe::kNone) {
    options.addresses.push_back(address_of(options.target.text, 0));
  }
  return options;
}

}  // namespace prober
