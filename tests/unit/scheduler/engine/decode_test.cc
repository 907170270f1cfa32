// How many tokens a unit gives at a time: pipelines, batch units, speculation. The laws are checked
// after every event (SmallCloud::Run).
#include <algorithm>

#include "tests/unit/scheduler/engine/small_cloud.h"

namespace waferline::engine {
namespace {

TEST_CASE("users up to the pipeline's depth cost no speed, more share its bottleneck") {
  // 8 layers of 10 us on 4 stages: latency 80 us, bottleneck 20 us, depth 4.
  for (const int users : {1, 4, 8}) {
    SmallCloud cloud({.max_running = 16});
    cloud.lane.kv_bytes_per_token = Bytes(0);
    cloud.Build();
    std::vector<std::shared_ptr<TestSink>> sinks;
    for (int i = 0; i < users; ++i) sinks.push_back(cloud.Ask(1, 101));
    cloud.Run();
    const Nanoseconds alone = Microseconds(80);
    const Nanoseconds expected = std::max(alone, Microseconds(20) * users);
    for (const auto& sink : sinks) {
      const Nanoseconds each = (sink->instants[100] - sink->instants[50]) / 50;
      REQUIRE(each == expected);
    }
  }
}

TEST_CASE("a batch device gives all its sequences a token a step") {
  SmallCloud cloud({.units = 0, .gpus = 1});
  cloud.lane.kv_bytes_per_token = Bytes(0);
  cloud.Build();
  const auto a = cloud.Ask(1, 10);
  const auto b = cloud.Ask(1, 5);
  cloud.Run();
  REQUIRE(a->outcome.reason == FinishReason::kLength);
  // Steps of 101 us alone and 102 us together; b's first token comes a microsecond later and joins
  // at the second step.
  REQUIRE(a->instants[1] - a->instants[0] == Microseconds(101));
  REQUIRE(a->instants[3] - a->instants[2] == Microseconds(102));
  REQUIRE(b->instants[4] - b->instants[3] == Microseconds(102));
  REQUIRE(a->instants[9] - a->instants[8] == Microseconds(101));
}

TEST_CASE("speculation emits what the process accepts, the same tokens in fewer beats") {
  SmallCloud plain;
  plain.Build();
  SmallCloud fast;
  fast.lane.speculation.acceptance = {1.0, 1.0, 0.0};
  fast.lane.speculation.draft_time = Microseconds(10);
  fast.Build();
  const auto a = plain.Ask(10, 31);
  const auto b = fast.Ask(10, 31);
  plain.Run();
  fast.Run();
  REQUIRE(b->instants.size() == 31);
  // 30 tokens in 10 beats of 80 us, three more tokens behind the first in each, 10 us to draft.
  REQUIRE(a->outcome.times.decode == Microseconds(30 * 80));
  REQUIRE(b->outcome.times.decode == Microseconds(10 * (80 + 60 + 10)));
  REQUIRE(b->instants[1] == b->instants[3]);
}

TEST_CASE("a short prompt is prefilled on its wafer") {
  SmallCloud cloud;
  cloud.lane.local_prefill.max_fresh_tokens = 8;
  cloud.Build();
  const auto sink = cloud.Ask(8, 3);
  cloud.Run();
  // 8 tokens one behind the other through the pipeline, no hand-off.
  REQUIRE(sink->outcome.times.prefill == Microseconds(80 + 7 * 20));
  REQUIRE(sink->outcome.times.transfer == Nanoseconds());
  REQUIRE(sink->outcome.times.decode == Microseconds(160));
  const auto pooled = cloud.Ask(9, 3);
  cloud.Run();
  REQUIRE(pooled->outcome.times.prefill == Microseconds(9));
}

}  // namespace
}  // namespace waferline::engine
