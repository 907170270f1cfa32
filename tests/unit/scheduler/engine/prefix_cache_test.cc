// Prompts whose beginning is in a cache, on workers and on units. The laws are checked
// after every event (SmallCloud::Run).
#include "tests/unit/scheduler/engine/small_cloud.h"

namespace waferline::engine {
namespace {

TEST_CASE("a prompt's known prefix is not computed again, and salts keep tenants apart") {
  SmallCloud cloud;
  cloud.lane.workers[0].cache_tokens = Tokens(1024);
  cloud.Build();
  std::vector<TokenId> prompt(100);
  for (int i = 0; i < 100; ++i) prompt[i] = i + 5;
  const auto first = cloud.AskFor(prompt, 2);
  cloud.Run();
  REQUIRE(first->outcome.cached_tokens == 0);
  const auto second = cloud.AskFor(prompt, 2);
  cloud.Run();
  REQUIRE(second->outcome.cached_tokens == 96);
  REQUIRE(second->outcome.times.prefill == Microseconds(4));
  REQUIRE(second->outcome.times.transfer == first->outcome.times.transfer);  // all of it moves
  ValidRequest salted;
  salted.cache_salt = "mine";
  const auto third = cloud.AskFor(prompt, 2, salted);
  cloud.Run();
  REQUIRE(third->outcome.cached_tokens == 0);
  cloud.engine->ResetPrefixCaches();
  const auto fourth = cloud.AskFor(prompt, 2);
  cloud.Run();
  REQUIRE(fourth->outcome.cached_tokens == 0);
}

TEST_CASE("KV that stayed on a wafer is not moved again, and gives way to sequences") {
  SmallCloud cloud({.pages = 16});
  cloud.lane.units[0].prefix_cache = true;
  cloud.Build();
  std::vector<TokenId> prompt(100);
  for (int i = 0; i < 100; ++i) prompt[i] = i + 5;
  cloud.AskFor(prompt, 2);
  cloud.Run();
  REQUIRE(cloud.engine->Snapshot().lanes[0].units[0].pages_cached == 6);
  const auto second = cloud.AskFor(prompt, 2);
  cloud.Run();
  REQUIRE(second->outcome.times.transfer == Nanoseconds(4 * SmallCloud::kKvPerToken));
  // Another salt finds nothing there.
  ValidRequest salted;
  salted.cache_salt = "mine";
  const auto third = cloud.AskFor(prompt, 2, salted);
  cloud.Run();
  REQUIRE(third->outcome.times.transfer == Nanoseconds(100 * SmallCloud::kKvPerToken));
  const auto large = cloud.Ask(200, 50);
  cloud.Run();
  REQUIRE(large->outcome.reason == FinishReason::kLength);
}

TEST_CASE("a session sticks to the wafer that has its KV, another salt's does not") {
  SmallCloud cloud({.units = 3, .pages = 64});
  for (auto& unit : cloud.lane.units) unit.prefix_cache = true;
  cloud.lane.unit_rule = policy::UnitRule::kSticky;
  cloud.Build({.max_sequences = 32});
  std::vector<TokenId> talk(60);
  for (int i = 0; i < 60; ++i) talk[i] = i + 5;
  const auto other = cloud.Ask(30, 4000 / 16);  // takes the first wafer, and stays
  cloud.Run(Microseconds(200));
  const auto begun = cloud.AskFor(talk, 4);
  cloud.Run(cloud.timeline.now() + Milliseconds(2));
  REQUIRE(begun->ended);
  // Someone else loads the session's wafer too: headroom alone would send it to the third.
  const auto busy = cloud.Ask(30, 4000 / 16);
  cloud.Run(cloud.timeline.now() + Microseconds(200));
  for (int turn = 0; turn < 3; ++turn) {
    for (int i = 0; i < 20; ++i) talk.push_back(static_cast<TokenId>(1000 + talk.size()));
    const auto next = cloud.AskFor(talk, 4);
    cloud.Run(cloud.timeline.now() + Milliseconds(2));
    REQUIRE(next->ended);
    // Only what is new is moved.
    REQUIRE(next->outcome.times.transfer <= Nanoseconds(36 * SmallCloud::kKvPerToken));
  }
}

}  // namespace
}  // namespace waferline::engine
