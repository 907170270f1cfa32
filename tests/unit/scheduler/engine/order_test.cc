// Which of the waiting requests goes first: priorities and tenants. The laws are checked
// after every event (SmallCloud::Run).
#include <algorithm>

#include "tests/unit/scheduler/engine/small_cloud.h"

namespace waferline::engine {
namespace {

TEST_CASE("a better priority takes the room of a worse one, which loses no token") {
  SmallCloud cloud({.pages = 10});
  cloud.lane.preempt = true;
  cloud.lane.order.rule = policy::OrderRule::kPriority;
  cloud.Build();
  ValidRequest low;
  low.priority = 10;
  const auto victim = cloud.Ask(60, 60, low);
  cloud.Run(Milliseconds(1));
  ValidRequest high;
  high.priority = 0;
  const auto better = cloud.Ask(60, 60, high);
  cloud.Run();
  REQUIRE(better->outcome.times.queue < Microseconds(100));
  REQUIRE(victim->outcome.reason == FinishReason::kLength);
  REQUIRE(victim->instants.size() == 60);
  REQUIRE(victim->outcome.times.total() > better->outcome.times.total());
}

TEST_CASE("tenants share by tokens served, not by how much they ask for") {
  SmallCloud cloud({.max_running = 1, .pages = 1000});
  cloud.lane.order.fair_tenants = true;
  cloud.Build({.max_sequences = 256});
  std::vector<std::shared_ptr<TestSink>> greedy, modest;
  for (int i = 0; i < 40; ++i) {
    ValidRequest request;
    request.tenant = "greedy";
    greedy.push_back(cloud.Ask(20, 20, request));
  }
  for (int i = 0; i < 5; ++i) {
    ValidRequest request;
    request.tenant = "modest";
    modest.push_back(cloud.Ask(20, 20, request));
  }
  cloud.Run();
  const Nanoseconds last = modest.back()->outcome.times.total();
  const auto before = std::count_if(greedy.begin(), greedy.end(), [&](const auto& sink) {
    return sink->outcome.times.total() < last;
  });
  REQUIRE(before <= 6);
}

}  // namespace
}  // namespace waferline::engine
