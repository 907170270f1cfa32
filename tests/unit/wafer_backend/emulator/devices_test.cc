#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <memory>

#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/emulator/roofline.h"
#include "wafer_backend/emulator/shared_link.h"
#include "wafer_backend/emulator/stage_costs.h"
#include "wafer_backend/emulator/wafer_pipeline.h"

namespace waferline::emulator {
namespace {

LinearCosts Costs() {
  return {.layers = 10,
          .stages = 4,
          .wafers = 2,
          .per_layer = Microseconds(10),
          .per_layer_per_kv_ns = 2,
          .wafer_hop = Microseconds(5),
          .fixed = Microseconds(7),
          .max_kv_length = Tokens(10'000)};
}

TEST_CASE("layers are dealt to stages and nothing is lost") {
  const LinearStageCosts costs(Costs());
  Nanoseconds sum;
  for (int s = 0; s < 4; ++s) sum += costs.StageTime(s, Tokens(100));
  REQUIRE(sum == Nanoseconds(10 * (10'000 + 200)));
  REQUIRE(costs.StageTime(0, Tokens(0)) == Microseconds(30));
  REQUIRE(costs.StageTime(2, Tokens(0)) == Microseconds(20));
  REQUIRE(costs.TokenLatency(Tokens(100)) == sum + Microseconds(12));
}

TEST_CASE("a token enters when the bottleneck is free and leaves after its latency") {
  WaferPipeline pipeline(std::make_unique<LinearStageCosts>(Costs()));
  const auto a = pipeline.Enter(Microseconds(100), Tokens(0), 1);
  REQUIRE(a.occupies == Microseconds(30));
  REQUIRE(a.leaves == Microseconds(212));
  const auto b = pipeline.Enter(Microseconds(100), Tokens(100), 1);
  REQUIRE(b.leaves == Microseconds(130) + Nanoseconds(114'000));
  // Three in a row occupy the entry three times and leave with the last.
  const auto c = pipeline.Enter(Microseconds(500), Tokens(0), 3);
  REQUIRE(c.occupies == Microseconds(90));
  REQUIRE(c.leaves == Microseconds(500 + 112 + 60));
  REQUIRE(pipeline.Enter(Nanoseconds(0), Tokens(0), 1).leaves == Microseconds(590 + 112));
}

TEST_CASE("the table gives linear costs exactly, also between its samples") {
  const LinearStageCosts costs(Costs());
  WaferPipeline pipeline(std::make_unique<LinearStageCosts>(Costs()));
  for (int64_t kv = 0; kv <= 10'000; kv += 37) {
    REQUIRE(std::abs((pipeline.Latency(Tokens(kv)) - costs.TokenLatency(Tokens(kv))).count()) <= 1);
  }
  REQUIRE(pipeline.Latency(Tokens(10'000)) == costs.TokenLatency(Tokens(10'000)));
  REQUIRE(pipeline.depth(Tokens(0)) == 3);  // 112 us / 30 us
}

TEST_CASE("busy time of a stage is what its tokens took, across changes of speed") {
  const LinearStageCosts costs(Costs());
  WaferPipeline pipeline(std::make_unique<LinearStageCosts>(Costs()));
  for (int i = 0; i < 100; ++i) pipeline.Enter(Nanoseconds(0), Tokens(64), 1);
  REQUIRE(pipeline.StageBusy(3) == costs.StageTime(3, Tokens(64)) * 100);
  pipeline.SetSlowdown(2);
  pipeline.Enter(Nanoseconds(0), Tokens(64), 1);
  REQUIRE(pipeline.StageBusy(3) == costs.StageTime(3, Tokens(64)) * 102);
  REQUIRE(pipeline.Latency(Tokens(0)) == Microseconds(224));
}

TEST_CASE(
    "a slow stage delays the entry as far as it is the slowest, and a token by its own part") {
  const LinearStageCosts costs(Costs());  // 30, 30, 20, 20 us and 12 us of hops
  WaferPipeline pipeline(std::make_unique<LinearStageCosts>(Costs()));
  const auto clone = pipeline.Clone();
  const Tokens kv(0);
  pipeline.SetStageSlowdown(2, 1.25);  // 25 us: still not the slowest
  REQUIRE(pipeline.Enter(Nanoseconds(0), kv, 1).leaves == Microseconds(112 + 5));
  REQUIRE(pipeline.Enter(Nanoseconds(0), kv, 1).leaves == Microseconds(30 + 112 + 5));
  pipeline.SetStageSlowdown(2, 3);  // 60 us
  REQUIRE(pipeline.Latency(kv) == Microseconds(112 + 40));
  REQUIRE(pipeline.Enter(Nanoseconds(0), kv, 1).leaves == Microseconds(60 + 112 + 40));
  REQUIRE(pipeline.Enter(Nanoseconds(0), kv, 1).leaves == Microseconds(120 + 112 + 40));
  // What it did at each speed; the others did not change theirs. (Counted in steps of 128
  // positions.)
  REQUIRE(pipeline.StageBusy(2) == costs.StageTime(2, Tokens(64)) * 17 / 2);  // 2 x 1.25 + 2 x 3
  REQUIRE(pipeline.StageBusy(3) == costs.StageTime(3, Tokens(64)) * 4);
  // The whole slower, too: one factor times the other.
  pipeline.SetSlowdown(2);
  REQUIRE(pipeline.Latency(kv) == Microseconds(2 * (112 + 40)));
  // Repaired: as fast as one that never broke.
  pipeline.SetSlowdown(1);
  pipeline.SetStageSlowdown(2, 1);
  for (int64_t at = 0; at <= 10'000; at += 999) {
    REQUIRE(pipeline.Latency(Tokens(at)) == clone->Latency(Tokens(at)));
  }
  REQUIRE(clone->entered() == 0);
  REQUIRE(clone->Enter(Nanoseconds(0), kv, 1).leaves == Microseconds(112));
}

struct Arrivals : EventTarget {
  explicit Arrivals(Timeline* clock) : timeline(clock) {}
  void OnEvent(uint64_t payload) override { at[payload] = timeline->now().count(); }
  Timeline* timeline;
  std::map<uint64_t, int64_t> at;
};

TEST_CASE("transfers share the link fairly, by the closed formula") {
  Timeline timeline;
  Arrivals arrivals(&timeline);
  SharedLink link(&timeline, 1e9, Nanoseconds(50));  // a byte a nanosecond
  link.Start(Bytes(1000), &arrivals, 1);
  link.Start(Bytes(3000), &arrivals, 2);
  // Both have half until 1 is through at 2000; 2 has the rest alone: 2000 + 2000.
  while (!timeline.empty()) timeline.DeliverNext();
  REQUIRE(arrivals.at[1] == 2050);
  REQUIRE(arrivals.at[2] == 4050);
  REQUIRE(link.moved() == Bytes(4000));
  REQUIRE(link.busy() == Nanoseconds(4000));
}

TEST_CASE("a cancelled transfer gives its share back, a stopped link moves nothing") {
  Timeline timeline;
  Arrivals arrivals(&timeline);
  SharedLink link(&timeline, 1e9, Nanoseconds());
  const auto a = link.Start(Bytes(1000), &arrivals, 1);
  link.Start(Bytes(1000), &arrivals, 2);
  timeline.AdvanceTo(Nanoseconds(1000));
  link.Cancel(a);
  link.SetSpeed(0);
  // Outdated events come and do nothing.
  while (!timeline.empty()) timeline.DeliverNext();
  REQUIRE(arrivals.at.empty());
  REQUIRE(link.backlog() == Bytes(500));
  timeline.AdvanceTo(Nanoseconds(50'000));
  link.SetSpeed(0.5);
  while (!timeline.empty()) timeline.DeliverNext();
  REQUIRE(arrivals.at.size() == 1);
  REQUIRE(arrivals.at[2] == 51'000);
}

TEST_CASE("every byte arrives, none sooner than the whole link would carry it") {
  constexpr uint64_t kSeed = 11;
  CAPTURE(kSeed);
  SeededStream random(kSeed);
  Timeline timeline;
  Arrivals arrivals(&timeline);
  SharedLink link(&timeline, 2e9, Nanoseconds(10));
  int64_t total = 0;
  for (uint64_t i = 0; i < 2000; ++i) {
    const int64_t until = timeline.now().count() + static_cast<int64_t>(random.Next() % 3000);
    while (!timeline.empty() && timeline.next_instant().count() <= until) timeline.DeliverNext();
    timeline.AdvanceTo(Nanoseconds(until));
    const auto bytes = static_cast<int64_t>(random.Next() % 6000);
    total += bytes;
    const int64_t alone = link.TimeAlone(Bytes(bytes)).count();
    const int64_t now = timeline.now().count();
    link.Start(Bytes(bytes), &arrivals, i);
    arrivals.at[i] = -(now + alone);  // replaced at arrival
  }
  std::map<uint64_t, int64_t> earliest = arrivals.at;
  while (!timeline.empty()) timeline.DeliverNext();
  REQUIRE(link.moved() == Bytes(total));
  REQUIRE(arrivals.at.size() == 2000);
  for (const auto& [i, at] : arrivals.at) {
    REQUIRE(at > 0);
    if (earliest[i] < 0) REQUIRE(at >= -earliest[i] - 1);
  }
}

TEST_CASE("a step takes matrices and attention one after the other, each at its roof") {
  const timing::SideWork layer{.start_seconds = 1e-6,
                               .weight_seconds = 1e-3,
                               .position_read_seconds = 1e-8,
                               .token_seconds = 1e-5,
                               .position_seconds = 1e-9};
  const timing::BatchCosts costs{.kinds = {{.work = layer, .layers = 4}},
                                 .output = {.weight_seconds = 1e-4, .token_seconds = 1e-5},
                                 .layers = 4};
  const RooflinePrefill prefill(costs);
  CHECK(prefill.layer_count() == 4);
  const PrefillChunk one{Tokens(1), Tokens(0)};  // reads weights and one position
  REQUIRE(prefill.StepTime({&one, 1}) == Nanoseconds(4 * (1'000 + 1'000'000 + 10) + 100'000));
  const PrefillChunk many{Tokens(10'000), Tokens(100)};
  const double pairs = 1e4 * (100 + 10'001 / 2.0);
  REQUIRE(prefill.StepTime({&many, 1}).as_double() ==
          Approx(4 * (1e3 + 1e5 * 1e3 + pairs) + 1e5));  // arithmetic of both
  RooflineDecoder decoder(costs);
  const Nanoseconds healthy = decoder.StepTime(8, Tokens(1000), 1);
  REQUIRE(healthy == Nanoseconds(4 * (1'000 + 1'000'000 + 10'000) + 100'000));
  // Two tokens of each of 100 sequences: arithmetic of the matrices, KV read once for both.
  REQUIRE(decoder.StepTime(100, Tokens(1000), 2) ==
          Nanoseconds(4 * (1'000 + 2'000'000 + 10'000) + 2'000'000));
  decoder.SetSlowdown(3);
  REQUIRE(decoder.StepTime(8, Tokens(1000), 1) == healthy * 3);
}

}  // namespace
}  // namespace waferline::emulator
