#include <doctest/doctest.h>

#include <array>
#include <string>
#include <thread>

#include "core/base/bytes.h"
#include "core/base/clock.h"
#include "core/base/fixed_map.h"
#include "core/base/fixed_vector.h"
#include "core/base/spsc_ring.h"

using namespace twinbeat;

TEST_CASE("a reader that ran out stays failed and gives nothing more") {
  ByteReader reader(as_bytes("12:ab"));
  CHECK(reader.decimal(6, ':') == 12);
  CHECK(reader.bytes(3).empty());
  CHECK_FALSE(reader.ok());
  CHECK(reader.ran_out());
  CHECK(reader.bytes(1).empty());
  CHECK(reader.peek() == -1);
}

TEST_CASE("a reader tells wrong input from ended input") {
  ByteReader wrong(as_bytes("1x:"));
  CHECK(wrong.decimal(6, ':') == 0);
  CHECK_FALSE(wrong.ok());
  CHECK_FALSE(wrong.ran_out());
  ByteReader ended(as_bytes("###"));
  CHECK_FALSE(ended.expect("###\n"));
  CHECK(ended.ran_out());
  ByteReader empty_number(as_bytes(":"));
  empty_number.decimal(6, ':');
  CHECK_FALSE(empty_number.ok());
  ByteReader long_number(as_bytes("1234567:"));
  long_number.decimal(6, ':');
  CHECK_FALSE(long_number.ok());
}

TEST_CASE("until takes the delimiter and stops before it") {
  ByteReader reader(as_bytes("name=value"));
  CHECK(as_text(reader.until('=')) == "name");
  CHECK(as_text(reader.rest()) == "value");
  CHECK(reader.until('\n').empty());
  CHECK(reader.ran_out());
}

TEST_CASE("a writer never passes its end and stays failed") {
  std::array<std::uint8_t, 5> memory{};
  ByteWriter writer(memory);
  writer.decimal(120);
  writer.hex(0xbc);
  CHECK(as_text(writer.written()) == "120bc");
  writer.byte('x');
  CHECK_FALSE(writer.ok());
  writer.text("");
  CHECK(writer.size() == 5);
}

TEST_CASE("numbers are written without leading zeros and up to their largest") {
  std::array<std::uint8_t, 64> memory{};
  ByteWriter writer(memory);
  writer.decimal(0);
  writer.byte(' ');
  writer.hex(0);
  writer.byte(' ');
  writer.decimal(UINT64_MAX);
  writer.byte(' ');
  writer.hex(UINT64_MAX);
  CHECK(as_text(writer.written()) == "0 0 18446744073709551615 ffffffffffffffff");
}

TEST_CASE("a full vector refuses, insert and erase keep the order") {
  FixedVector<int, 3> list;
  CHECK(list.push_back(1) == Status::kOk);
  CHECK(list.push_back(3) == Status::kOk);
  CHECK(list.insert(1, 2) == Status::kOk);
  CHECK(list.push_back(4) == Status::kFull);
  list.erase(0);
  CHECK(list.size() == 2);
  CHECK(list[0] == 2);
  CHECK(list[1] == 3);
}

TEST_CASE("a map makes an entry once and refuses when full") {
  FixedMap<int, int, 2> map;
  *map.find_or_insert(7) = 70;
  CHECK(*map.find_or_insert(7) == 70);
  CHECK(map.find_or_insert(8) != nullptr);
  CHECK(map.find_or_insert(9) == nullptr);
  CHECK(map.find(9) == nullptr);
  CHECK(map.size() == 2);
}

TEST_CASE("a ring hands over in order between two threads and loses nothing") {
  SpscRing<int, 8> ring;
  constexpr int kCount = 20000;
  std::thread writer([&ring] {
    for (int i = 0; i < kCount;) {
      if (ring.push(i)) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  bool in_order = true;
  for (int expected = 0; expected < kCount;) {
    int* item = ring.front();
    if (item == nullptr) {
      std::this_thread::yield();
      continue;
    }
    in_order = in_order && *item == expected;
    ring.pop();
    ++expected;
  }
  writer.join();
  CHECK(in_order);
  CHECK(ring.size() == 0);
}

TEST_CASE("a full ring says so and works on after one item was taken") {
  SpscRing<int, 2> ring;
  CHECK(ring.push(1));
  CHECK(ring.push(2));
  CHECK_FALSE(ring.push(3));
  CHECK(*ring.front() == 1);
  ring.pop();
  CHECK(ring.push(3));
  CHECK(ring.size() == 2);
}

TEST_CASE("the clock does not go back") {
  const Micros first = boottime_now();
  CHECK(first > 0);
  CHECK(boottime_now() >= first);
}
