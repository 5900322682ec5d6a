#include "events.h"

#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace prober {

namespace {

void write_whole(const std::string& text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const ssize_t wrote = write(STDOUT_FILENO, text.data() + at, text.size() - at);
    if (wrote < 0 && errno != EINTR && errno != EAGAIN) return;
    if (wrote > 0) at += static_cast<std::size_t>(wrote);
  }
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) out += c;
  }
  return out + '"';
}

std::string mac_of(const Event& event) {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", event.mac[0], event.mac[1], event.mac[2],
                event.mac[3], event.mac[4], event.mac[5]);
  return text;
}

std::string node_of(const Names& names, const Event& event) {
  return event.node < names.nodes.size() ? quoted(names.nodes[event.node]) : "null";
}

std::string address_of(const Names& names, const Event& event) {
  return event.address < names.addresses.size() ? quoted(names.addresses[event.address]) : "null";
}

std::string seen(const char* what, const Names& names, const Event& event) {
  const char* where = event.where == Where::kBridge ? "bridge" : "client";
  return std::string{"\"e\":\""} + what + "\",\"address\":" + address_of(names, event) + ",\"mac\":\"" +
         mac_of(event) + "\",\"where\":\"" + where + '"';
}

std::string answer(const Names& names, const Event& event) {
  std::string out = "\"e\":\"answer\",\"seq\":" + std::to_string(event.seq) +
                    ",\"rtt\":" + std::to_string(event.value) + ",\"from\":" + node_of(names, event);
  if (event.gap_ns >= 0) out += ",\"gap\":" + std::to_string(event.gap_ns);
  return out;
}

std::string body(const Names& names, const Event& event) {
  const std::string on = event.on ? "true" : "false";
  const std::string ns = ",\"ns\":" + std::to_string(event.value);
  const std::string text = ",\"text\":" + quoted(event.text);
  const std::string owned =
      ",\"node\":" + node_of(names, event) + ",\"address\":" + address_of(names, event) + ",\"on\":" + on;
  switch (event.kind) {
    case Kind::kBegin: return "\"e\":\"begin\",\"realtime\":" + on + text;
    case Kind::kAddr: return "\"e\":\"addr\"" + owned;
    case Kind::kHeld: return "\"e\":\"held\"" + owned;
    case Kind::kGarp: return seen("garp", names, event);
    case Kind::kArp: return seen("arp", names, event);
    case Kind::kGap: return "\"e\":\"gap\",\"mac\":\"" + mac_of(event) + '"' + ns;
    case Kind::kSent: return "\"e\":\"sent\",\"seq\":" + std::to_string(event.seq);
    case Kind::kAnswer: return answer(names, event);
    case Kind::kLate: return "\"e\":\"late\"" + ns;
    case Kind::kStall: return "\"e\":\"stall\"" + ns;
    case Kind::kMark: return "\"e\":\"mark\"" + text;
    case Kind::kDone: return "\"e\":\"done\"" + text;
    case Kind::kError: return "\"e\":\"error\",\"errno\":" + std::to_string(event.value) + text;
    case Kind::kEnd: return "\"e\":\"end\",\"sent\":" + std::to_string(event.seq) +
                            ",\"answered\":" + std::to_string(event.value);
  }
  return "\"e\":\"unknown\"";
}

}  // namespace

Journal::Journal(Names names) : names_{std::move(names)}, ring_(kEvents) {}

void Journal::put(const Event& event) noexcept {
  const std::size_t head = head_.load(std::memory_order_relaxed);
  if (head - tail_.load(std::memory_order_acquire) >= kEvents) {
    lost_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  ring_[head % kEvents] = event;
  head_.store(head + 1, std::memory_order_release);
}

void Journal::start() {
  writer_ = std::thread{[this] { write_all(); }};
}

void Journal::finish() {
  ending_.store(true);
  if (writer_.joinable()) writer_.join();
}

void Journal::write_all() {
  std::string out;
  for (;;) {
    const bool last = ending_.load();
    drain(out);
    if (last) return;
    const timespec nap{0, 10'000'000};
    nanosleep(&nap, nullptr);
  }
}

void Journal::drain(std::string& out) {
  out.clear();
  const std::size_t head = head_.load(std::memory_order_acquire);
  std::size_t tail = tail_.load(std::memory_order_relaxed);
  for (; tail != head; ++tail) {
    const Event& event = ring_[tail % kEvents];
    out += "{\"t\":" + std::to_string(event.at_ns) + ',' + body(names_, event) + "}\n";
    tail_.store(tail + 1, std::memory_order_release);
  }
  const std::uint64_t lost = lost_.load(std::memory_order_relaxed);
  if (lost != told_lost_) {
    out += "{\"t\":0,\"e\":\"lost\",\"count\":" + std::to_string(lost - told_lost_) + "}\n";
    told_lost_ = lost;
  }
  write_whole(out);
}

}  // namespace prober
