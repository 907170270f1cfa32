// Fast and slow units behind one model name. The laws are checked after every event
// (SmallCloud::Run), with them what each tier has promised.
#include <algorithm>

#include "tests/unit/scheduler/engine/small_cloud.h"

namespace waferline::engine {
namespace {

using policy::TierRule;

ValidRequest Tier(ServiceTier tier) {
  ValidRequest request;
  request.tier = tier;
  return request;
}

TEST_CASE("an answer says whose units served it, whatever was asked for") {
  SmallCloud cloud({.gpus = 1, .max_running = 1});
  cloud.lane.tiers.priority_spills = true;
  cloud.Build();
  const auto fast = cloud.Ask(20, 10, Tier(ServiceTier::kPriority));
  const auto spilled = cloud.Ask(20, 10, Tier(ServiceTier::kPriority));
  cloud.Run();
  CHECK(fast->outcome.served == ServiceTier::kPriority);
  CHECK(spilled->outcome.served == ServiceTier::kDefault);  // no room on the fast unit
  const auto flex = cloud.Ask(20, 10, Tier(ServiceTier::kFlex));
  cloud.Run();
  CHECK(flex->outcome.served == ServiceTier::kFlex);
  const auto lifted = cloud.Ask(20, 10);
  cloud.Run();
  CHECK(lifted->outcome.served == ServiceTier::kPriority);
  CHECK(ChargedTier(ServiceTier::kAuto, lifted->outcome.served) == ServiceTier::kDefault);
}

TEST_CASE("where all units are alike, what was asked for is served") {
  SmallCloud cloud;
  cloud.Build();
  for (const ServiceTier asked :
       {ServiceTier::kAuto, ServiceTier::kDefault, ServiceTier::kFlex, ServiceTier::kPriority}) {
    const auto sink = cloud.Ask(20, 2, Tier(asked));
    cloud.Run();
    CHECK(sink->outcome.served == (asked == ServiceTier::kAuto ? ServiceTier::kDefault : asked));
  }
}

TEST_CASE("who waits for the fast tier does not hold up who is for the slow one") {
  SmallCloud cloud({.gpus = 1, .max_running = 1});
  SECTION("room is taken before prefill") {}
  SECTION("room is taken at the hand-off") { cloud.lane.reserve = Reserve::kAtHandoff; }
  cloud.Build();
  const auto running = cloud.Ask(20, 200, Tier(ServiceTier::kPriority));
  const auto waiting = cloud.Ask(20, 2, Tier(ServiceTier::kPriority));
  const auto slow = cloud.Ask(20, 2, Tier(ServiceTier::kFlex));
  cloud.Run();
  CHECK(slow->outcome.times.total() < Milliseconds(1));
  CHECK(waiting->outcome.times.total() > running->outcome.times.total());
  CHECK(waiting->outcome.served == ServiceTier::kPriority);
}

TEST_CASE("room spills over both ways, and only as configured") {
  const bool both = GENERATE(false, true);
  SmallCloud cloud({.gpus = 1, .max_running = 1});
  cloud.lane.tiers.rule = TierRule::kPaid;
  cloud.lane.tiers.slow_spills = both;
  cloud.Build();
  const auto first = cloud.Ask(20, 50);
  const auto second = cloud.Ask(20, 50);
  cloud.Run();
  CHECK(first->outcome.served == ServiceTier::kDefault);
  CHECK(second->outcome.served == (both ? ServiceTier::kPriority : ServiceTier::kDefault));
  CHECK((second->outcome.times.queue > Milliseconds(1)) == !both);
}

TEST_CASE("a lost tier sends its sequences to the other one, without a token lost") {
  SmallCloud cloud({.gpus = 1});
  cloud.Build();
  const auto sink = cloud.Ask(20, 200, Tier(ServiceTier::kPriority));
  cloud.Run(Milliseconds(4));
  REQUIRE(!sink->instants.empty());
  REQUIRE(cloud.engine->Apply({Fault::Kind::kUnitLost, {0}, {0}}).ok());
  cloud.Run();
  CHECK(sink->outcome.reason == FinishReason::kLength);
  CHECK(sink->instants.size() == 200);
  CHECK(sink->outcome.served == ServiceTier::kDefault);
}

TEST_CASE("the fast tier's share of all tokens is kept, counted as they are generated") {
  const double share = GENERATE(0.0, 0.25, 1.0);
  SmallCloud cloud({.gpus = 1, .pages = 1000});
  cloud.lane.tiers = {.rule = TierRule::kShare, .share = share, .default_spills = false};
  cloud.Build();
  std::vector<std::shared_ptr<TestSink>> sinks;
  for (int i = 0; i < 100; ++i) {
    sinks.push_back(cloud.Ask(5, 10 + i % 7 * 10));
    if (i % 3 == 0) {  // asks for more than it gets
      sinks.back()->answer_at = 5;
      sinks.back()->answer = TokenSink::Verdict::kStop;
    }
    cloud.Run(cloud.timeline.now() + Milliseconds(3));
  }
  cloud.Run();
  double fast = 0, all = 0;
  for (const auto& sink : sinks) {
    all += static_cast<double>(sink->instants.size());
    if (sink->outcome.served == ServiceTier::kPriority) {
      fast += static_cast<double>(sink->instants.size());
    }
  }
  CHECK(fast / all == Approx(share).margin(0.04));
}

TEST_CASE("who would miss its deadline on the slow tier gets the fast one") {
  SmallCloud cloud({.gpus = 1, .per_layer = Microseconds(1)});
  cloud.lane.tiers.rule = TierRule::kDeadline;
  cloud.Build();
  ValidRequest request;
  request.deadline =
      Milliseconds(5);  // 100 tokens take 10 ms on the slow unit, 0.8 on the fast one
  const auto urgent = cloud.Ask(20, 100, request);
  cloud.Run();
  CHECK(urgent->outcome.reason == FinishReason::kLength);
  CHECK(urgent->outcome.served == ServiceTier::kPriority);
  request.deadline = Milliseconds(50);
  const auto patient = cloud.Ask(20, 100, request);
  const auto without = cloud.Ask(20, 100);
  cloud.Run();
  CHECK(patient->outcome.served == ServiceTier::kDefault);
  CHECK(without->outcome.served == ServiceTier::kDefault);
}

TEST_CASE("whose prompt a fast unit has in its cache gets the fast tier") {
  SmallCloud cloud({.gpus = 1});
  cloud.lane.tiers.rule = TierRule::kCached;
  for (auto& unit : cloud.lane.units) unit.prefix_cache = true;
  cloud.Build();
  const std::vector<TokenId> prompt(64, 7);
  cloud.AskFor(prompt, 2, Tier(ServiceTier::kPriority));
  cloud.Run();
  const auto known = cloud.AskFor(prompt, 2);
  const auto unknown = cloud.Ask(64, 2);
  cloud.Run();
  CHECK(known->outcome.served == ServiceTier::kPriority);
  CHECK(unknown->outcome.served == ServiceTier::kDefault);
}

}  // namespace
}  // namespace waferline::engine
