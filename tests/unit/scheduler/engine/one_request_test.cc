// The way of a single request, instant by instant.
#include "tests/unit/scheduler/engine/small_cloud.h"

namespace waferline::engine {
namespace {

constexpr int64_t kTokenNs = SmallCloud::kLayers * 10'000;  // alone in the pipeline

TEST_CASE("every part of a request takes what its devices say") {
  SmallCloud cloud({.link_latency = Microseconds(3)});
  cloud.Build();
  const auto sink = cloud.Ask(100, 5);
  REQUIRE(cloud.Run() == Engine::Pause::kIdle);
  REQUIRE(sink->ended);
  const Outcome& o = sink->outcome;
  REQUIRE(o.reason == FinishReason::kLength);
  REQUIRE(o.prompt_tokens == 100);
  // Two steps of 64 and 36 tokens at 1 us each.
  REQUIRE(o.times.queue == Nanoseconds());
  REQUIRE(o.times.prefill == Microseconds(100));
  REQUIRE(o.times.transfer == Nanoseconds(100 * SmallCloud::kKvPerToken + 3000));
  REQUIRE(o.times.decode == Nanoseconds(4 * kTokenNs));
  REQUIRE(sink->instants[0] == Microseconds(100));
  REQUIRE(sink->instants[4] == o.times.total());
  for (size_t i = 2; i < 5; ++i) {
    REQUIRE(sink->instants[i] - sink->instants[i - 1] == Nanoseconds(kTokenNs));
  }
  REQUIRE(cloud.engine->in_flight() == 0);
  REQUIRE(cloud.source.alive.empty());
}

TEST_CASE("no token leaves before its instant, and it does leave at it") {
  SmallCloud cloud;
  cloud.Build();
  const auto sink = cloud.Ask(64, 3);
  const std::vector<int64_t> expected = {64'000, 64'000 + 64 * SmallCloud::kKvPerToken + kTokenNs,
                                         64'000 + 64 * SmallCloud::kKvPerToken + 2 * kTokenNs};
  for (size_t i = 0; i < expected.size(); ++i) {
    cloud.Run(Nanoseconds(expected[i] - 1));
    REQUIRE(sink->instants.size() == i);
    cloud.Run(Nanoseconds(expected[i]));
    REQUIRE(sink->instants.size() == i + 1);
    REQUIRE(sink->instants[i] == Nanoseconds(expected[i]));
  }
}

TEST_CASE("a sequence ends at an end id, which is handed over") {
  SmallCloud cloud;
  cloud.Build();
  ValidRequest request;
  std::vector<TokenId> prompt = {77, 1, 2};
  request.sampling.end_ids = {60000, TokenAt(prompt, 3)};
  const auto sink = cloud.AskFor(prompt, 100, request);
  cloud.Run();
  REQUIRE(sink->outcome.reason == FinishReason::kStop);
  REQUIRE(sink->instants.size() == 4);
}

TEST_CASE("a sequence ends when its sink has a stop string") {
  SmallCloud cloud;
  cloud.Build();
  const auto sink = cloud.Ask(10, 100);
  sink->answer_at = 7;
  sink->answer = TokenSink::Verdict::kStop;
  cloud.Run();
  REQUIRE(sink->outcome.reason == FinishReason::kStop);
  REQUIRE(sink->instants.size() == 7);
}

TEST_CASE("only the prompt may be asked for") {
  SmallCloud cloud;
  cloud.Build();
  const auto sink = cloud.Ask(10, 0);
  cloud.Run();
  REQUIRE(sink->outcome.reason == FinishReason::kLength);
  REQUIRE(sink->instants.empty());
  REQUIRE(sink->outcome.times.total() == Microseconds(10));
}

TEST_CASE("time stands still until a value is there, and nothing of it is in the instants") {
  SmallCloud cloud;
  cloud.Build();
  const auto sink = cloud.Ask(10, 4);
  const auto other = cloud.Ask(10, 4);
  cloud.source.withheld = 5;
  int blocked = 0;
  while (cloud.Run() == Engine::Pause::kBlocked) {
    ++blocked;
    REQUIRE(cloud.timeline.now() == Microseconds(20));  // the first value is the first awaited
    REQUIRE(sink->instants.empty());
  }
  REQUIRE(blocked == 5);

  SmallCloud prompt_one;
  prompt_one.Build();
  const auto copy = prompt_one.Ask(10, 4);
  prompt_one.Ask(10, 4);
  prompt_one.Run();
  REQUIRE(sink->instants == copy->instants);
  REQUIRE(cloud.engine->digest() == prompt_one.engine->digest());
}

TEST_CASE("values are asked for a bounded way ahead") {
  SmallCloud cloud;
  cloud.Build();
  const auto sink = cloud.Ask(10, 500);
  cloud.Run(Microseconds(10));
  REQUIRE(sink->instants.size() == 1);
  REQUIRE(cloud.source.wanted.begin()->second == 64);
  cloud.Run();
  REQUIRE(cloud.source.wanted.begin()->second == 500);
}

}  // namespace
}  // namespace waferline::engine
