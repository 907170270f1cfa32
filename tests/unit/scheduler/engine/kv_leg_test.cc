// A prompt that one cell computes and another decodes: what each leg costs in emulated time, and
// that together they do what one cell does. The laws are checked after every event
// (SmallCloud::Run).
#include "tests/unit/scheduler/engine/small_cloud.h"

namespace waferline::engine {
namespace {

ValidRequest Leg(KvLeg leg) {
  ValidRequest request;
  request.leg = leg;
  return request;
}

// Both name the same prompt.
std::vector<TokenId> Prompt(uint32_t tokens) { return std::vector<TokenId>(tokens, 7); }

TEST_CASE("a prefill leg takes no unit, moves nothing and gives the first token") {
  for (const Overlap overlap : {Overlap::kNone, Overlap::kChunk, Overlap::kLayer}) {
    SmallCloud cloud({.max_running = 1});
    cloud.lane.overlap = overlap;
    cloud.Build();
    const auto resident = cloud.Ask(20, 200);  // has the only slot
    cloud.Run(Microseconds(500));
    const auto leg = cloud.AskFor(Prompt(200), 1, Leg(KvLeg::kPrefill));
    const Bytes before = cloud.link->moved();
    cloud.Run();
    REQUIRE(leg->outcome.reason == FinishReason::kLength);
    REQUIRE(leg->outcome.generated_tokens == 1);
    REQUIRE(leg->outcome.times.queue == Nanoseconds());
    REQUIRE(leg->outcome.times.prefill == Microseconds(200));
    REQUIRE(leg->outcome.times.transfer == Nanoseconds());
    REQUIRE(cloud.link->moved() == before);
    REQUIRE(resident->outcome.reason == FinishReason::kLength);
  }
}

TEST_CASE("a decode leg costs its transfer instead of its prefill") {
  for (const Reserve reserve : {Reserve::kAtPrefill, Reserve::kAtHandoff}) {
    SmallCloud cloud({.link_latency = Microseconds(3)});
    cloud.lane.kv_bytes_per_token = Bytes(800);
    cloud.lane.reserve = reserve;
    cloud.Build();
    const auto leg = cloud.AskFor(Prompt(200), 5, Leg(KvLeg::kDecode));
    cloud.Run();
    REQUIRE(leg->outcome.generated_tokens == 5);
    REQUIRE(leg->outcome.times.queue == Nanoseconds());
    REQUIRE(leg->outcome.times.prefill == Nanoseconds());
    REQUIRE(leg->outcome.times.transfer == Nanoseconds(199 * 800) + Microseconds(3));
    REQUIRE(leg->outcome.cached_tokens == 199);
    REQUIRE(cloud.link->moved() == Bytes(199 * 800));
    // Five beats: the first token passes the unit, too.
    REQUIRE(leg->outcome.times.decode == 5 * (leg->instants[1] - leg->instants[0]));
  }
}

TEST_CASE("a prompt of one token moves nothing") {
  SmallCloud cloud;
  cloud.Build();
  const auto leg = cloud.AskFor(Prompt(1), 2, Leg(KvLeg::kDecode));
  cloud.Run();
  REQUIRE(leg->outcome.generated_tokens == 2);
  REQUIRE(leg->outcome.times.transfer == Nanoseconds());
}

TEST_CASE("a decode leg that loses its unit is computed here") {
  SmallCloud cloud({.units = 2});
  cloud.lane.kv_bytes_per_token = Bytes(800);
  cloud.Build();
  const auto leg = cloud.AskFor(Prompt(64), 30, Leg(KvLeg::kDecode));
  cloud.Run(Nanoseconds(63 * 800) + Microseconds(250));
  REQUIRE_FALSE(leg->instants.empty());
  for (uint32_t unit = 0; unit < 2; ++unit) {
    REQUIRE(cloud.engine->Apply({Fault::Kind::kUnitLost, {0}, {unit}}).ok());
    REQUIRE(cloud.engine->Apply({Fault::Kind::kUnitBack, {0}, {unit}}).ok());
  }
  cloud.Run();
  REQUIRE(leg->outcome.generated_tokens == 30);
  REQUIRE(leg->outcome.times.prefill > Nanoseconds());
}

TEST_CASE("a decode leg waits for room like any other") {
  SmallCloud cloud({.max_running = 1});
  cloud.Build();
  const auto first = cloud.Ask(20, 20);
  const auto leg = cloud.AskFor(Prompt(20), 3, Leg(KvLeg::kDecode));
  cloud.engine->Cancel(cloud.last);
  const auto second = cloud.AskFor(Prompt(20), 3, Leg(KvLeg::kDecode));
  cloud.Run();
  REQUIRE(leg->outcome.reason == FinishReason::kCancelled);
  REQUIRE(second->outcome.times.queue > Nanoseconds());
  REQUIRE(second->outcome.generated_tokens == 3);
  REQUIRE(first->outcome.generated_tokens == 20);
}

}  // namespace
}  // namespace waferline::engine
