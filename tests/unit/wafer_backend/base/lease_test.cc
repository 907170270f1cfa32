#include "wafer_backend/base/lease.h"

#include <catch2/catch.hpp>
#include <utility>

#include "wafer_backend/base/units.h"

namespace waferline {
namespace {

TEST_CASE("a lease releases what it took, once, wherever it was moved") {
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

}  // namespace
}  // namespace waferline
