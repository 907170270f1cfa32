// Beats of sequences without values or readers are delivered by a shorter way: it decides what the
// long one does, whatever comes between.
#include <tuple>
#include <vector>

#include "tests/unit/scheduler/engine/small_cloud.h"

namespace waferline::engine {
namespace {

struct Record : EngineObserver {
  using Token = std::tuple<uint32_t, uint32_t, int64_t, int64_t>;
  explicit Record(const Timeline* timeline) : clock(timeline) {}
  void OnToken(const TokenInfo& token) override {
    REQUIRE(token.at == clock->now());
    tokens.push_back({token.slot.value, token.index, token.at.count(), token.gap.count()});
  }
  const Timeline* clock;
  std::vector<Token> tokens;
};

struct Schedule {
  uint64_t digest = 0;
  uint64_t events = 0;
  std::vector<Record::Token> tokens;
};

// A random cloud and load, with faults and deadlines. Only the source differs: does it have values?
Schedule RunLoad(uint64_t seed, bool values) {
  SeededStream random(seed);
  const auto below = [&](uint64_t n) { return static_cast<int64_t>(random.Next() % n); };
  SmallCloud cloud({.workers = 1 + static_cast<int>(below(3)),
                    .units = 1 + static_cast<int>(below(3)),
                    .gpus = static_cast<int>(below(2)),
                    .max_running = 1 + static_cast<int>(below(8)),
                    .pages = 16 + below(80)});
  cloud.source.lengths_only = !values;
  cloud.lane.keep_ids = false;
  cloud.lane.preempt = below(2) == 0;
  cloud.lane.overlap = static_cast<Overlap>(below(3));
  cloud.lane.local_prefill.max_fresh_tokens = below(2) * 16;
  if (below(2) == 0) cloud.lane.speculation.acceptance = {0.9, 0.8, 0.5};
  Record record(&cloud.timeline);
  cloud.Build({.max_sequences = 24}, {&record});
  for (int step = 0; step < 60; ++step) {
    if (below(3) > 0) {
      ValidRequest request;
      request.model = "m";
      request.priority = static_cast<int32_t>(below(3));
      request.sampling.seed = random.Next();
      request.leg = below(4) == 0 ? KvLeg::kDecode : KvLeg::kWhole;
      request.max_tokens = static_cast<uint32_t>(1 + below(90));
      if (below(5) == 0) request.deadline = Microseconds(500 + below(5000));
      request.prompt = std::make_shared<const std::vector<TokenId>>(1 + below(120), 7);
      cloud.engine->Submit(Ticket{++cloud.tickets}, std::move(request));
    }
    if (below(8) == 0) {
      const auto kind = static_cast<Fault::Kind>(below(6));
      (void)cloud.engine->Apply(
          {kind, {0}, {static_cast<uint32_t>(below(2))}, static_cast<double>(below(3)) + 0.5});
    }
    const Nanoseconds until = cloud.timeline.now() + Microseconds(below(3000));
    cloud.engine->RunUntil(until);
    if (cloud.timeline.now() < until) cloud.timeline.AdvanceTo(until);
    cloud.engine->CheckLaws();
  }
  for (uint32_t i = 0; i < 3; ++i) {
    (void)cloud.engine->Apply({Fault::Kind::kWorkerBack, {0}, {i}});
    (void)cloud.engine->Apply({Fault::Kind::kUnitBack, {0}, {i}});
  }
  cloud.engine->RunUntil(Seconds(1000));
  REQUIRE(cloud.engine->in_flight() == 0);
  return {cloud.engine->digest(), cloud.engine->Snapshot().events, std::move(record.tokens)};
}

TEST_CASE("a source without values makes the schedule of one that has them") {
  size_t tokens = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    const Schedule with = RunLoad(seed, true);
    const Schedule without = RunLoad(seed, false);
    REQUIRE(without.digest == with.digest);
    REQUIRE(without.events == with.events);
    REQUIRE(without.tokens == with.tokens);
    tokens += with.tokens.size();
  }
  REQUIRE(tokens > 50'000);
}

}  // namespace
}  // namespace waferline::engine
