// How KV moves from a worker to its unit while all goes well; lost_link_test has the rest. The laws
// are checked after every event (SmallCloud::Run).
#include "tests/unit/scheduler/engine/small_cloud.h"

namespace waferline::engine {
namespace {

TEST_CASE("overlapping prefill and hand-off moves the same bytes and ends sooner") {
  std::vector<Nanoseconds> transfer;
  for (const Overlap overlap : {Overlap::kNone, Overlap::kChunk, Overlap::kLayer}) {
    SmallCloud cloud;
    cloud.lane.kv_bytes_per_token = Bytes(800);
    cloud.lane.overlap = overlap;
    cloud.Build();
    const auto sink = cloud.Ask(256, 2);
    cloud.Run();
    REQUIRE(cloud.link->moved() == Bytes(256 * 800));
    transfer.push_back(sink->outcome.times.transfer);
  }
  REQUIRE(transfer[0] == Nanoseconds(256 * 800));
  REQUIRE(transfer[1] == Nanoseconds(64 * 800));
  REQUIRE(transfer[2] <= Nanoseconds(64 * 800 / 8 + 1));
}

TEST_CASE("room may be taken only at the hand-off") {
  SmallCloud cloud({.max_running = 1});
  cloud.lane.reserve = Reserve::kAtHandoff;
  cloud.Build();
  const auto a = cloud.Ask(20, 20);
  const auto b = cloud.Ask(20, 20);
  cloud.Run();
  REQUIRE(b->outcome.times.prefill == Microseconds(40));  // both in one step
  REQUIRE(b->outcome.times.queue == Nanoseconds());
  REQUIRE(b->outcome.times.transfer > a->outcome.times.decode);
}

}  // namespace
}  // namespace waferline::engine
