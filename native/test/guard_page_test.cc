#include <doctest/doctest.h>

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "core/guard/page_reader.h"
#include "core/guard/page_writer.h"

using namespace twinbeat;
using namespace twinbeat::guard;

namespace {

struct Shared {
  Shared() {
    page_fd = create_page();
    REQUIRE(page_fd >= 0);
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, bell) == 0);
    REQUIRE(writer.open(page_fd, bell[0]) == 0);
    void* memory = ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED, page_fd, 0);
    REQUIRE(memory != MAP_FAILED);
    page = static_cast<Page*>(memory);
  }
  ~Shared() {
    ::munmap(page, sizeof(Page));
    for (const int fd : {page_fd, bell[0], bell[1]}) ::close(fd);
  }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  int page_fd = -1;
  int bell[2] = {-1, -1};
  PageWriter writer;
  Page* page = nullptr;
};

struct Groups {
  std::array<PlanGroup, kGroupsMax> list{};
  Groups() {
    list[3].used = 1;
    list[3].kind = GroupKind::kAddress;
    std::strcpy(list[3].name, "web");
  }
};

PlanAddress address(std::uint8_t last) {
  PlanAddress out{};
  out.family = 4;
  out.prefix = 24;
  out.group = 3;
  out.bytes[0] = 10;
  out.bytes[3] = last;
  std::strcpy(out.interface, "eth0");
  return out;
}

}  // namespace

TEST_CASE("what is published is read, the newest revision once") {
  Shared shared;
  const Groups groups;
  auto plan = std::make_unique<Plan>();
  CHECK_FALSE(read_plan(*shared.page, 0, *plan));
  const std::vector<PlanAddress> one{address(1)};
  const std::vector<PlanAddress> two{address(1), address(2)};
  REQUIRE(shared.writer.publish_plan(1, groups.list, one) == Status::kOk);
  REQUIRE(read_plan(*shared.page, 0, *plan));
  CHECK(plan->address_count == 1);
  CHECK_FALSE(read_plan(*shared.page, 1, *plan));
  REQUIRE(shared.writer.publish_plan(2, groups.list, two) == Status::kOk);
  REQUIRE(read_plan(*shared.page, 1, *plan));
  CHECK(plan->revision == 2);
  CHECK(plan->address_count == 2);
  CHECK(plan->addresses[1].bytes[3] == 2);
  CHECK(std::strcmp(plan->groups[3].name, "web") == 0);
}

TEST_CASE("what cannot be meant is refused and changes nothing") {
  Shared shared;
  const Groups groups;
  auto plan = std::make_unique<Plan>();
  std::vector<PlanAddress> list{address(1)};
  REQUIRE(shared.writer.publish_plan(1, groups.list, list) == Status::kOk);
  list[0].prefix = 33;
  CHECK(shared.writer.publish_plan(2, groups.list, list) == Status::kInvalid);
  list[0] = address(1);
  std::memset(list[0].interface, 'x', sizeof(list[0].interface));
  CHECK(shared.writer.publish_plan(2, groups.list, list) == Status::kInvalid);
  list.assign(kAddressesMax + 1, address(1));
  CHECK(shared.writer.publish_plan(2, groups.list, list) == Status::kFull);
  REQUIRE(read_plan(*shared.page, 0, *plan));
  CHECK(plan->revision == 1);
}

TEST_CASE("a death in the middle of a publication leaves the plan before") {
  Shared shared;
  const Groups groups;
  auto plan = std::make_unique<Plan>();
  const std::vector<PlanAddress> one{address(1)};
  REQUIRE(shared.writer.publish_plan(7, groups.list, one) == Status::kOk);
  ReleasePlan& next = shared.page->plans[1 - shared.page->current_plan.load()];
  next.sequence.store(3);
  next.revision = 8;
  next.address_count = 4'000'000;
  REQUIRE(read_plan(*shared.page, 0, *plan));
  CHECK(plan->revision == 7);
}

TEST_CASE("a gasp is whole and of its claim, or not there") {
  Shared shared;
  auto copy = std::make_unique<GaspCopy>();
  const std::uint8_t words[] = {1, 2, 3};
  shared.writer.set_group(5, {.held = true, .claim_epoch = 9});
  REQUIRE(shared.writer.set_gasp(5, 9, words, {}) == Status::kOk);
  REQUIRE(read_gasp(*shared.page, 5, *copy));
  CHECK(copy->claim_epoch == 9);
  CHECK(copy->datagram_bytes == 3);
  CHECK(copy->line_bytes == 0);
  shared.writer.set_group(5, {.held = true, .claim_epoch = 10});
  CHECK_FALSE(read_gasp(*shared.page, 5, *copy));
  const std::vector<std::uint8_t> long_words(kGaspBytesMax + 1);
  CHECK(shared.writer.set_gasp(5, 10, long_words, {}) == Status::kTooLong);
  CHECK_FALSE(read_gasp(*shared.page, 5, *copy));
}

TEST_CASE("additions are guarded only by a guardian that lives, holds the plan and waits on this very lock") {
  Shared shared;
  const auto guarded = [&] { return shared.writer.guarded(kNetLock, 4); };
  REQUIRE(shared.writer.take_lock(kNetLock) == 0);
  CHECK_FALSE(guarded());
  shared.page->guardian.acknowledged.store(4);
  CHECK_FALSE(guarded());
  shared.page->locks[kNetLock].watched.store(shared.page->locks[kNetLock].takes.load());
  CHECK(guarded());
  CHECK_FALSE(shared.writer.guarded(kNetLock, 5));
  shared.writer.drop_lock(kNetLock);
  REQUIRE(shared.writer.take_lock(kNetLock) == 0);
  CHECK_FALSE(guarded());
  shared.page->locks[kNetLock].watched.store(shared.page->locks[kNetLock].takes.load());
  CHECK(guarded());
  ::close(shared.bell[1]);
  CHECK_FALSE(shared.writer.drain_bell());
  CHECK_FALSE(guarded());
  shared.bell[1] = -1;
  shared.writer.drop_lock(kNetLock);
}

TEST_CASE("a page of another layout is refused") {
  Shared shared;
  shared.page->layout_hash ^= 1;
  CHECK_FALSE(is_readable(*shared.page));
  PageWriter other;
  CHECK(other.open(shared.page_fd, shared.bell[0]) == EPROTO);
}

// Not one of these pages was ever written by a sane process; the reader must only stay inside its bounds.
TEST_CASE("pages of random bytes are read without harm") {
  Shared shared;
  auto plan = std::make_unique<Plan>();
  auto gasp = std::make_unique<GaspCopy>();
  std::minstd_rand random(20240607);
  auto* bytes = reinterpret_cast<std::uint8_t*>(shared.page);
  for (int round = 0; round < 40; ++round) {
    // From single bits to everything: a page that is nearly right is the more dangerous one.
    const std::size_t changes = round < 20 ? 1000 : sizeof(Page);
    for (std::size_t i = 0; i < changes; ++i) {
      bytes[changes == sizeof(Page) ? i : random() % sizeof(Page)] = static_cast<std::uint8_t>(random());
    }
    shared.page->plans[0].sequence.store(2);
    if (read_plan(*shared.page, 0, *plan)) {
      CHECK(plan->address_count <= kAddressesMax);
      for (std::uint32_t i = 0; i < plan->address_count; ++i) {
        CHECK(plan->addresses[i].group < kGroupsMax);
        CHECK(plan->addresses[i].interface[kInterfaceBytes - 1] == '\0');
      }
      for (const PlanGroup& group : plan->groups) CHECK(group.name[kGroupNameBytes - 1] == '\0');
    }
    for (std::size_t i = 0; i < kGroupsMax; ++i) {
      static_cast<void>(read_group(*shared.page, i));
      shared.page->groups[i].gasp.valid.store(1);
      if (!read_gasp(*shared.page, i, *gasp)) continue;
      CHECK(gasp->datagram_bytes <= kGaspBytesMax);
      CHECK(gasp->line_bytes <= kGaspBytesMax);
    }
  }
}
