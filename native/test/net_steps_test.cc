#include <doctest/doctest.h>

#include <linux/if_addr.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <thread>

#include "net_lab.h"

using namespace twinbeat;
using namespace twinbeat::net;
using namespace twinbeat::net::testing;

TEST_CASE("an address is added, found there already, removed, and gone already") {
  NetLab lab;
  TB_NEEDS_LAB(lab);
  Keeper keeper;
  REQUIRE(keeper.report.running());
  const auto add = step(StepOp::kAdd, "10.9.0.5", 24);
  const auto remove = step(StepOp::kRemove, "10.9.0.5", 24);

  StepBatchResult result = keeper.run({add});
  CHECK(result.failed == 0);
  CHECK(result.results[0].flags == 0);
  CHECK(result.first_address_at_us > 0);
  const auto there = configured("10.9.0.5");
  REQUIRE(there.has_value());
  CHECK(there->prefix == 24);
  CHECK(there->broadcast[3] == 255);
  CHECK(there->valid_lft_s == kLifetimeForever);

  result = keeper.run({add});
  CHECK(result.failed == 0);
  CHECK((result.results[0].flags & kResultAlready) != 0);
  result = keeper.run({remove});
  CHECK(result.failed == 0);
  CHECK(result.results[0].flags == 0);
  CHECK_FALSE(configured("10.9.0.5").has_value());
  result = keeper.run({remove});
  CHECK(result.failed == 0);
  CHECK(result.results[0].flags == kResultAlready);
}

TEST_CASE("a remove takes the address away whatever its prefix lengths are") {
  NetLab lab;
  TB_NEEDS_LAB(lab);
  Keeper keeper;
  REQUIRE(lab.here("ip addr add 10.9.0.5/32 dev tb0; ip addr add 10.9.0.5/25 dev tb0"));
  REQUIRE(lab.here("ip -6 addr add fd00::5/120 dev tb0 nodad"));
  const StepBatchResult result = keeper.run({step(StepOp::kRemove, "10.9.0.5", 24),
                                             step(StepOp::kRemove, "fd00::5", 64)});
  CHECK(result.failed == 0);
  CHECK(result.results[0].flags == 0);
  CHECK(result.results[1].flags == 0);
  CHECK_FALSE(configured("10.9.0.5").has_value());
  CHECK_FALSE(configured("fd00::5").has_value());
}

TEST_CASE("labels and broadcast addresses are those of the step") {
  NetLab lab;
  TB_NEEDS_LAB(lab);
  Keeper keeper;
  auto labelled = step(StepOp::kAdd, "10.9.0.5", 24);
  std::strcpy(labelled.label, "tb0:7");
  auto broadcast = step(StepOp::kAdd, "10.9.1.5", 24, NetLab::kHere, kStepBroadcastSet);
  broadcast.broadcast[0] = 10;
  broadcast.broadcast[1] = 9;
  broadcast.broadcast[3] = 9;
  const auto without = step(StepOp::kAdd, "10.9.2.5", 24, NetLab::kHere, kStepNoBroadcast);
  const auto odd = step(StepOp::kAdd, "10.9.3.77", 27);
  auto foreign_label = step(StepOp::kAdd, "10.9.4.5", 24);
  std::strcpy(foreign_label.label, "eth9:1");
  const auto alias = step(StepOp::kAdd, "10.9.5.5", 24, NetLab::kHere, kStepAliasLabel);
  const auto second_alias = step(StepOp::kAdd, "10.9.5.6", 24, NetLab::kHere, kStepAliasLabel);

  const StepBatchResult result =
      keeper.run({labelled, broadcast, without, odd, foreign_label, alias, second_alias});
  CHECK(result.failed == 1);
  CHECK(result.results[4].error == EINVAL);
  CHECK(std::string(configured("10.9.0.5")->label) == "tb0:7");
  CHECK(configured("10.9.1.5")->broadcast[3] == 9);
  CHECK_FALSE(configured("10.9.2.5")->has_broadcast);
  CHECK(configured("10.9.3.77")->broadcast[3] == 95);
  CHECK(std::string(configured("10.9.5.5")->label) == "tb0:0");
  CHECK(std::string(configured("10.9.5.6")->label) == "tb0:1");
}

TEST_CASE("a lifetime is set, prolonged and made endless by the same add") {
  NetLab lab;
  TB_NEEDS_LAB(lab);
  Keeper keeper;
  for (const char* text : {"10.9.0.5", "fd00::5"}) {
    auto add = step(StepOp::kAdd, text, 24);
    add.valid_lft_s = 20;
    CHECK(keeper.run({add}).failed == 0);
    CHECK(configured(text)->valid_lft_s <= 20);
    add.valid_lft_s = 100;
    CHECK(keeper.run({add}).failed == 0);
    CHECK(configured(text)->valid_lft_s > 20);
    CHECK(configured(text)->valid_lft_s <= 100);
    add.valid_lft_s = 0;
    CHECK(keeper.run({add}).failed == 0);
    CHECK(configured(text)->valid_lft_s == kLifetimeForever);
  }
}

TEST_CASE("an IPv6 address is usable at once, without the kernel's duplicate check") {
  NetLab lab;
  TB_NEEDS_LAB(lab);
  REQUIRE(lab.here("echo 1 > /proc/sys/net/ipv6/conf/tb0/accept_dad"));
  REQUIRE(lab.here("echo 5 > /proc/sys/net/ipv6/conf/tb0/dad_transmits"));
  Keeper keeper;
  CHECK(keeper.run({step(StepOp::kAdd, "fd00::5", 64)}).failed == 0);
  const auto there = configured("fd00::5");
  REQUIRE(there.has_value());
  CHECK((there->flags & IFA_F_TENTATIVE) == 0);
  CHECK((there->flags & IFA_F_NODAD) != 0);
  CHECK(keeper.run({step(StepOp::kRemove, "fd00::5", 64)}).failed == 0);
  CHECK_FALSE(configured("fd00::5").has_value());
}

TEST_CASE("the kernel alone removes secondaries with their primary") {
  // Why the next tests exist; should a kernel stop doing so, this one tells.
  NetLab lab;
  TB_NEEDS_LAB(lab);
  REQUIRE(lab.here("ip addr add 10.9.0.5/24 dev tb0 && ip addr add 10.9.0.6/24 dev tb0"));
  REQUIRE(lab.here("ip addr del 10.9.0.5/24 dev tb0"));
  CHECK_FALSE(configured("10.9.0.6").has_value());
}

TEST_CASE("removing a primary keeps its secondaries as they were, and the routes") {
  NetLab lab;
  TB_NEEDS_LAB(lab);
  Keeper keeper;
  CHECK(keeper.run({step(StepOp::kAdd, "10.9.0.5", 24)}).failed == 0);
  REQUIRE(lab.here("ip addr add 10.9.0.6/24 brd 10.9.0.99 dev tb0 label tb0:web"));
  REQUIRE(lab.here("ip addr add 10.9.0.7/24 dev tb0 valid_lft 500 preferred_lft 400"));
  REQUIRE(lab.here("ip addr add 10.9.0.8/24 dev tb0 noprefixroute"));
  REQUIRE(lab.here("ip addr add 10.9.0.9/25 dev tb0"));
  REQUIRE(lab.here("ip route add default via 10.9.0.254"));
  REQUIRE((configured("10.9.0.6")->flags & IFA_F_SECONDARY) != 0);

  const StepBatchResult result = keeper.run({step(StepOp::kRemove, "10.9.0.5", 24)});
  CHECK(result.failed == 0);
  CHECK(result.results[0].flags == kResultRestored);
  CHECK(configured_count(4) == 4);  // the host addresses of the meantime are gone too
  const auto web = configured("10.9.0.6");
  REQUIRE(web.has_value());
  CHECK(web->prefix == 24);
  CHECK(std::string(web->label) == "tb0:web");
  CHECK(web->broadcast[3] == 99);
  CHECK(web->valid_lft_s == kLifetimeForever);
  CHECK((web->flags & IFA_F_SECONDARY) == 0);
  const auto limited = configured("10.9.0.7");
  REQUIRE(limited.has_value());
  CHECK(limited->valid_lft_s <= 500);
  CHECK(limited->valid_lft_s >= 490);
  CHECK(limited->preferred_lft_s <= 400);
  CHECK((limited->flags & IFA_F_SECONDARY) != 0);
  CHECK((configured("10.9.0.8")->flags & IFA_F_NOPREFIXROUTE) != 0);
  CHECK(configured("10.9.0.9")->prefix == 25);
  CHECK(lab.here("ip route show default | grep -q 10.9.0.254"));
  CHECK(lab.here("ip route show 10.9.0.0/24 | grep -q tb0"));
}

TEST_CASE("a secondary is never gone while its primary is removed, also where it is promoted") {
  NetLab lab;
  TB_NEEDS_LAB(lab);
  Keeper keeper;
  for (const char* promote : {"0", "1"}) {
    REQUIRE(lab.here(std::string("echo ") + promote +
                     " > /proc/sys/net/ipv4/conf/tb0/promote_secondaries"));
    std::atomic<bool> stop{false};
    std::atomic<int> misses{0};
    std::atomic<int> tries{0};
    REQUIRE(keeper.run({step(StepOp::kAdd, "10.9.0.6", 24)}).failed == 0);
    std::thread user([&] {
      while (!stop.load()) {
        const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        sockaddr_in self{};
        self.sin_family = AF_INET;
        std::memcpy(&self.sin_addr, address_of("10.9.0.6").bytes, 4);
        if (::bind(fd, reinterpret_cast<sockaddr*>(&self), sizeof(self)) != 0) ++misses;
        ++tries;
        ::close(fd);
      }
    });
    for (int i = 0; i < 40; ++i) {
      // 10.9.0.6 is the primary now: out and in again makes it the other's secondary.
      const auto quiet = step(StepOp::kAdd, "10.9.0.5", 24, NetLab::kHere, kStepQuiet);
      CHECK(keeper.run({quiet}).failed == 0);
      CHECK(keeper.run({step(StepOp::kRemove, "10.9.0.5", 24)}).failed == 0);
    }
    stop = true;
    user.join();
    CHECK(misses == 0);
    CHECK(tries > 0);
    // And now really as a secondary.
    REQUIRE(keeper.run({step(StepOp::kRemove, "10.9.0.6", 24)}).failed == 0);
    stop = false;
    REQUIRE(keeper.run({step(StepOp::kAdd, "10.9.0.5", 24), step(StepOp::kAdd, "10.9.0.6", 24)})
                .failed == 0);
    REQUIRE((configured("10.9.0.6")->flags & IFA_F_SECONDARY) != 0);
    std::atomic<bool> running{false};
    std::thread second_user([&] {
      while (!stop.load()) {
        const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        sockaddr_in self{};
        self.sin_family = AF_INET;
        std::memcpy(&self.sin_addr, address_of("10.9.0.6").bytes, 4);
        if (::bind(fd, reinterpret_cast<sockaddr*>(&self), sizeof(self)) != 0) ++misses;
        running = true;
        ::close(fd);
      }
    });
    while (!running) std::this_thread::yield();
    CHECK(keeper.run({step(StepOp::kRemove, "10.9.0.5", 24)}).failed == 0);
    stop = true;
    second_user.join();
    CHECK(misses == 0);
    CHECK(configured("10.9.0.6").has_value());
    CHECK(configured_count(4) == 1);
    CHECK(keeper.run({step(StepOp::kRemove, "10.9.0.6", 24)}).failed == 0);
  }
}

TEST_CASE("two hundred addresses come and go in one batch and leave a bystander alone") {
  NetLab lab;
  TB_NEEDS_LAB(lab);
  Keeper keeper;
  std::vector<AddressStep> adds;
  std::vector<AddressStep> removes;
  for (int i = 1; i <= 200; ++i) {
    const std::string text = "10.9.0." + std::to_string(i);
    adds.push_back(step(StepOp::kAdd, text.c_str(), 24));
    removes.push_back(step(StepOp::kRemove, text.c_str(), 24));
  }
  StepBatchResult result = keeper.run(adds);
  CHECK(result.count == 200);
  CHECK(result.failed == 0);
  CHECK(configured_count(4) == 200);
  REQUIRE(lab.here("ip addr add 10.9.0.250/24 dev tb0"));
  result = keeper.run(removes);
  CHECK(result.count == 200);
  CHECK(result.failed == 0);
  CHECK(configured_count(4) == 1);
  CHECK(configured("10.9.0.250").has_value());
  CHECK(keeper.thread().counters().held == 0);
  CHECK(keeper.thread().counters().steps.restored >= 1);
  CHECK(keeper.thread().counters().steps.restore_failed == 0);
}

TEST_CASE("adds need authority at every moment, removes none") {
  NetLab lab;
  TB_NEEDS_LAB(lab);
  Keeper keeper;
  const auto add = step(StepOp::kAdd, "10.9.0.5", 24);
  const auto remove = step(StepOp::kRemove, "10.9.0.5", 24);

  StepBatchResult result = keeper.run({add}, boottime_now() - 1);
  CHECK(result.results[0].error == ETIME);
  CHECK_FALSE(configured("10.9.0.5").has_value());
  CHECK(keeper.run({add}, boottime_now() + 60'000'000).failed == 0);
  CHECK(keeper.run({remove}, boottime_now() - 1).failed == 0);
  CHECK_FALSE(configured("10.9.0.5").has_value());

  const uint32_t stamp = keeper.thread().void_group(0);
  result = keeper.wait_result(keeper.submit({add}, 0, stamp - 1));
  CHECK(result.results[0].error == ECANCELED);
  CHECK(keeper.wait_result(keeper.submit({add}, 0, stamp)).failed == 0);
}

TEST_CASE("steps that cannot be meant are refused one by one, the others are done") {
  NetLab lab;
  TB_NEEDS_LAB(lab);
  Keeper keeper;
  auto no_operation = step(StepOp::kAdd, "10.9.0.1", 24);
  no_operation.op = static_cast<StepOp>(77);
  auto no_family = step(StepOp::kAdd, "10.9.0.1", 24);
  no_family.family = 5;
  auto no_end = step(StepOp::kAdd, "10.9.0.1", 24);
  std::memset(no_end.interface, 'x', sizeof(no_end.interface));
  auto nowhere = step(StepOp::kAdd, "10.9.0.1", 24, "");
  const StepBatchResult result = keeper.run({
      no_operation, no_family, no_end, nowhere, step(StepOp::kAdd, "10.9.0.1", 33),
      step(StepOp::kAdd, "10.9.0.1", 0), step(StepOp::kAdd, "0.0.0.0", 24),
      step(StepOp::kAdd, "10.9.0.1", 24, "gone9"), step(StepOp::kRemove, "10.9.0.1", 24, "gone9"),
      step(StepOp::kAdd, "10.9.0.1", 24, NetLab::kHere, 0x8000),
      step(StepOp::kQuery, "10.9.0.2", 24), step(StepOp::kAnnounce, "10.9.0.2", 24),
      step(StepOp::kAdd, "10.9.0.2", 24), step(StepOp::kQuery, "10.9.0.2", 24),
  });
  const int expected[] = {EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL,
                          ENODEV, 0,      EINVAL, EADDRNOTAVAIL, EADDRNOTAVAIL, 0, 0};
  REQUIRE(result.count == 14);
  for (size_t i = 0; i < 14; ++i) {
    CAPTURE(i);
    CHECK(result.results[i].error == expected[i]);
  }
}

TEST_CASE("random bytes as steps harm nothing") {
  NetLab lab;
  TB_NEEDS_LAB(lab);
  Keeper keeper;
  uint32_t state = 12345;
  for (int round = 0; round < 40; ++round) {
    std::vector<AddressStep> steps(64);
    auto* bytes = reinterpret_cast<uint8_t*>(steps.data());
    for (size_t i = 0; i < steps.size() * sizeof(AddressStep); ++i) {
      state = state * 1664525u + 1013904223u;
      bytes[i] = static_cast<uint8_t>(state >> 24);
    }
    for (auto& each : steps) {
      // Half of them get far enough to reach the kernel.
      if ((each.reserved & 1) == 0) continue;
      each.op = static_cast<StepOp>(1 + each.reserved / 2 % 4);
      each.family = (each.reserved & 64) != 0 ? 4 : 6;
      each.flags &= static_cast<uint16_t>(kStepFlagsKnown & ~kStepProbe);
      std::strcpy(each.interface, "tb0");
      each.label[0] = '\0';
    }
    CHECK(keeper.run(steps).count == 64);
  }
  auto batch = std::make_unique<StepBatch>();
  batch->count = 100000;
  CHECK_FALSE(keeper.thread().submit(Feeder::kController, *batch));
  StepBatch* place = keeper.thread().claim(Feeder::kController);
  REQUIRE(place != nullptr);
  place->token = 999;
  place->count = 100000;
  keeper.thread().commit(Feeder::kController);
  const StepBatchResult refused = keeper.wait_result(999);
  CHECK(refused.count == 0);
  CHECK(refused.failed == 1);
  CHECK(keeper.run({step(StepOp::kAdd, "10.9.0.5", 24)}).failed == 0);
}

TEST_CASE("a full ring is an answer, and every accepted batch is answered once") {
  NetLab lab;
  TB_NEEDS_LAB(lab);
  Keeper keeper;
  keeper.thread().stop();
  size_t accepted = 0;
  while (keeper.submit({step(StepOp::kQuery, "10.9.0.5", 24)}) != 0) ++accepted;
  CHECK(accepted == kBatchRing);
  REQUIRE(keeper.thread().start(Keeper::fast_config()).running());
  for (uint64_t token = 1; token <= accepted; ++token) {
    StepBatchResult result{};
    while (!keeper.thread().next_result(result)) std::this_thread::yield();
    CHECK(result.token == token);
  }
}

TEST_CASE("queries tell what is here and which interface would carry an address") {
  NetLab lab;
  TB_NEEDS_LAB(lab);
  REQUIRE(lab.here("ip addr add 10.9.0.1/24 dev tb0 && ip -6 addr add fd00::1/64 dev tb0 nodad"));
  REQUIRE(lab.here("ip route add 10.77.0.0/16 via 10.9.0.254"));
  const auto query = std::make_unique<AddressQuery>();
  REQUIRE(query->open() == 0);
  RouteAnswer answer;
  REQUIRE(query->route(4, address_of("10.9.0.9"), answer) == 0);
  CHECK(std::string(answer.interface) == "tb0");
  CHECK(answer.prefix == 24);
  CHECK_FALSE(answer.has_gateway);
  CHECK_FALSE(answer.is_local);
  REQUIRE(query->route(4, address_of("10.9.0.1"), answer) == 0);
  CHECK(answer.is_local);
  CHECK(std::string(answer.interface) == "tb0");
  REQUIRE(query->route(4, address_of("10.77.1.1"), answer) == 0);
  CHECK(answer.has_gateway);
  CHECK(answer.prefix == 16);
  REQUIRE(query->route(6, address_of("fd00::99"), answer) == 0);
  CHECK(std::string(answer.interface) == "tb0");
  CHECK(answer.prefix == 64);
  CHECK(query->route(4, address_of("192.0.2.1"), answer) == ENETUNREACH);
  CHECK(query->route(6, address_of("2001:db8::1"), answer) == ENETUNREACH);
}

TEST_CASE("a mailbox gives the newest picture, whole, and never the same twice") {
  struct Picture {
    std::array<uint64_t, 64> values{};
  };
  const auto mailbox = std::make_unique<Mailbox<Picture>>();
  CHECK(mailbox->take() == nullptr);
  constexpr uint64_t kLast = 200'000;
  std::thread writer([&] {
    for (uint64_t i = 1; i <= kLast; ++i) {
      mailbox->draft().values.fill(i);
      mailbox->post();
    }
  });
  uint64_t seen = 0;
  bool whole = true;
  bool newer = true;
  while (seen < kLast) {
    const Picture* picture = mailbox->take();
    if (picture == nullptr) continue;
    newer = newer && picture->values[0] > seen;
    seen = picture->values[0];
    for (const uint64_t value : picture->values) whole = whole && value == seen;
  }
  writer.join();
  CHECK(whole);
  CHECK(newer);
  CHECK(mailbox->take() == nullptr);
}
