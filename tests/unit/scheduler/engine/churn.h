// Everything at once over a random cloud: a run is a pure function of its seed.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "tests/unit/scheduler/engine/small_cloud.h"

namespace waferline::engine {

// Tokens leave at the instant they say, and a request's parts add up to its time inside.
struct Witness : EngineObserver {
  explicit Witness(const Timeline* timeline) : clock(timeline) {}
  void OnToken(const TokenInfo& token) override { WL_CHECK(token.at == clock->now()); }
  void OnOutcome(const OutcomeInfo& info) override {
    WL_CHECK(info.outcome->times.total() == clock->now() - info.sequence.arrival);
    WL_CHECK(info.outcome->times.queue >= Nanoseconds());
    WL_CHECK(info.outcome->times.decode >= Nanoseconds());
  }
  const Timeline* clock;
};

struct Churn {
  uint64_t digest;
  uint64_t tokens;
};

// Everything at once: arrivals, cancels at every stage, full readers, late values, lost values,
// faults, over a random cloud.
inline Churn RunChurn(uint64_t seed, int steps = 200) {
  SeededStream random(seed);
  const auto below = [&](uint64_t n) { return static_cast<int64_t>(random.Next() % n); };
  SmallCloud cloud({.workers = 1 + static_cast<int>(below(5)),
                    .units = static_cast<int>(below(6)),
                    .gpus = 1 + static_cast<int>(below(2)),
                    .max_running = 1 + static_cast<int>(below(6)),
                    .pages = 8 + below(40),
                    .link_latency = Nanoseconds(below(5000)),
                    .own_links = below(2) == 0});
  cloud.lane.overlap = static_cast<Overlap>(below(3));
  if (below(4) == 0) {
    cloud.lane.overlap = Overlap::kNone;
    cloud.lane.reserve = Reserve::kAtHandoff;
  } else {
    cloud.lane.preempt = below(2) == 0;
    cloud.lane.local_prefill.max_fresh_tokens = below(2) * 16;
  }
  cloud.lane.worker_rule = static_cast<policy::WorkerRule>(below(3));
  cloud.lane.unit_rule = static_cast<policy::UnitRule>(below(3));
  cloud.lane.order.rule = static_cast<policy::OrderRule>(below(3));
  cloud.lane.order.fair_tenants = below(2) == 0;
  cloud.lane.admission.max_waiting = {4, 6, 4};
  cloud.lane.tiers = {.rule = static_cast<policy::TierRule>(below(7)),
                      .output_tokens = 20,
                      .share = 0.3,
                      .flex_prefers_slow = below(2) == 0,
                      .default_spills = below(2) == 0,
                      .priority_spills = below(2) == 0,
                      .slow_spills = below(2) == 0};
  cloud.lane.limits.heartbeat = Microseconds(1 + below(300));
  cloud.lane.limits.lost_heartbeats = static_cast<uint32_t>(1 + below(3));
  cloud.lane.limits.reader_grace = Milliseconds(1);
  if (below(3) == 0) cloud.lane.speculation.acceptance = {0.8, 0.5};
  for (auto& worker : cloud.lane.workers) worker.cache_tokens = Tokens(below(2) * 256);
  for (auto& unit : cloud.lane.units) unit.prefix_cache = below(2) == 0;
  Witness witness(&cloud.timeline);
  cloud.Build({.max_sequences = 24,
               .hold_time_for_readers = below(4) == 0,
               .unordered_devices = static_cast<size_t>(below(4))},
              {&witness});

  std::vector<std::shared_ptr<TestSink>> sinks;
  for (int step = 0; step < steps; ++step) {
    switch (below(8)) {
      case 0:
      case 1:
      case 2: {
        ValidRequest request;
        request.priority = static_cast<int32_t>(below(3));
        request.tier = static_cast<ServiceTier>(below(4));
        request.tenant = below(2) == 0 ? "a" : "b";
        request.sampling.seed = random.Next();
        if (below(4) == 0) request.deadline = Microseconds(100 + below(5000));
        std::vector<TokenId> prompt(1 + below(120), static_cast<TokenId>(1 + below(3)));
        auto tokens = static_cast<uint32_t>(below(40));
        request.leg = static_cast<KvLeg>(below(3));
        if (request.leg != KvLeg::kWhole) tokens = request.leg == KvLeg::kPrefill ? 1 : tokens + 1;
        sinks.push_back(cloud.AskFor(prompt, tokens, request));
        if (below(3) == 0) {
          sinks.back()->answer_at = 1 + below(10);
          sinks.back()->answer = static_cast<TokenSink::Verdict>(below(3));
        }
        break;
      }
      case 3:
        if (cloud.tickets > 0) cloud.engine->Cancel(Ticket{1 + random.Next() % cloud.tickets});
        break;
      case 4:
        if (cloud.tickets > 0) cloud.engine->Resume(Ticket{1 + random.Next() % cloud.tickets});
        break;
      case 5:
        cloud.source.withheld = static_cast<int>(below(3));
        cloud.source.failing = below(6) == 0;
        break;
      case 6: {
        const auto kind = static_cast<Fault::Kind>(below(8));
        const bool down = kind == Fault::Kind::kLinkSpeed && below(2) == 0;
        (void)cloud.engine->Apply({kind,
                                   {0},
                                   {static_cast<uint32_t>(below(3))},
                                   down ? 0 : static_cast<double>(below(3)) + 0.5,
                                   static_cast<uint32_t>(below(3))});
        break;
      }
      case 7:
        if (below(10) == 0) cloud.engine->ResetPrefixCaches();
        break;
    }
    cloud.engine->CheckLaws();
    cloud.Run(cloud.timeline.now() + Microseconds(below(400)));
  }
  // Heal, and all must end.
  cloud.source.failing = false;
  cloud.source.withheld = 0;
  for (uint32_t i = 0; i < 4; ++i) {
    (void)cloud.engine->Apply({Fault::Kind::kWorkerBack, {0}, {i}});
    (void)cloud.engine->Apply({Fault::Kind::kUnitBack, {0}, {i}});
    (void)cloud.engine->Apply({Fault::Kind::kLinkSpeed, {0}, {i}, 1});
  }
  while (cloud.Run() == Engine::Pause::kBlocked) cloud.engine->GiveUpOnReaders();
  REQUIRE(cloud.engine->in_flight() == 0);
  REQUIRE(cloud.source.alive.empty());
  for (const auto& sink : sinks) {
    REQUIRE((sink->ended != sink->refused));
    if (sink->ended && sink->outcome.reason == FinishReason::kLength) {
      REQUIRE(sink->instants.size() == sink->max_tokens);
    }
  }
  const EngineSnapshot end = cloud.engine->Snapshot();
  REQUIRE(end.accepted == end.finished);
  for (const UnitSnapshot& unit : end.lanes[0].units) REQUIRE(unit.pages_used == 0);
  return {end.digest, end.tokens};
}

}  // namespace waferline::engine
