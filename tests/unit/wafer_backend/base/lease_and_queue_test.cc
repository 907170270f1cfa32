#include <catch2/catch.hpp>
#include <memory>
#include <thread>

#include "wafer_backend/base/bounded_queue.h"
#include "wafer_backend/base/lease.h"
#include "wafer_backend/base/units.h"

namespace waferline {
namespace {

TEST_CASE("a lease gives back what it took, once, wherever it was moved") {
  LeasePool<Bytes> pool(Bytes(100));
  {
    auto first = pool.Take(Bytes(60));
    REQUIRE(first.ok());
    REQUIRE_FALSE(pool.Take(Bytes(41)).ok());
    REQUIRE(pool.used() == Bytes(60));
    LeasePool<Bytes>::Lease moved = *std::move(first);
    auto second = pool.Take(Bytes(40));
    REQUIRE(pool.free() == Bytes(0));
    moved = *std::move(second);  // the 60 are released, the 40 stay
    REQUIRE(pool.used() == Bytes(40));
  }
  REQUIRE(pool.used() == Bytes(0));
}

TEST_CASE("a full queue says no and keeps what it has") {
  BoundedQueue<std::unique_ptr<int>> queue(2);
  REQUIRE(queue.TryPush(std::make_unique<int>(1)));
  REQUIRE(queue.TryPush(std::make_unique<int>(2)));
  auto third = std::make_unique<int>(3);
  REQUIRE_FALSE(queue.TryPush(std::move(third)));
  REQUIRE(*third == 3);
  auto all = queue.TakeAll();
  REQUIRE(all.size() == 2);
  REQUIRE(*all.front() == 1);
  queue.Close();
  REQUIRE_FALSE(queue.TryPush(std::move(third)));
}

TEST_CASE("producers and a consumer lose nothing") {
  BoundedQueue<int> queue(8);
  constexpr int kEach = 1000;
  auto produce = [&queue] {
    for (int i = 0; i < kEach; ++i) {
      while (!queue.TryPush(int{i})) std::this_thread::yield();
    }
  };
  std::thread a(produce), b(produce);
  int received = 0;
  while (received < 2 * kEach) {
    received += static_cast<int>(queue.WaitAndTakeAll(absl::Seconds(5)).size());
  }
  a.join();
  b.join();
  REQUIRE(received == 2 * kEach);
}

}  // namespace
}  // namespace waferline
