// What a run comes to. A value; Tally fills it while the engine runs.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "scheduler/engine/observer.h"
#include "scheduler/policy/refusal_cause.h"
#include "scheduler/request/service_tier.h"
#include "wafer_backend/base/latency_objectives.h"
#include "wafer_backend/base/log_histogram.h"
#include "wafer_backend/base/units.h"

namespace waferline::simulator {

// What a device draws and costs; without sources the run has no energy and no cost.
struct DevicePower {
  double watts_busy = 0;
  double watts_idle = 0;
  double usd_per_hour = 0;
  int systems = 0;  // wafers or accelerators that it is made of
};

struct DeviceUse {
  std::string model;
  std::string name;
  std::string kind;                 // prefill, wafer, gpu, split, link
  std::string tier;                 // fast, slow; of decode units
  double busy_share = 0;            // of the run; a wafer's is its bottleneck stage's
  std::vector<double> stage_share;  // wafers: busy share of each stage; the rest are bubbles
  double kv_share = 0;              // of a unit's KV memory that sequences held, in the mean
  double max_kv_share = 0;
  uint64_t tokens = 0;  // computed by a worker, decoded by a unit
  double bytes = 0;     // moved by a link, or between the sides of a split unit
  // Split units: busy share of attention, feed-forward and the link between them; the rest is idle.
  std::vector<double> side_share;
  // Device-nanoseconds: charged to requests, and idle; their sum is the run's length times
  // `devices`. A link has none.
  int devices = 0;
  int64_t charged_ns = 0;
  int64_t idle_ns = 0;
  DevicePower power;
};

// Requests that completed, by the tier that served them.
struct ServedTally {
  uint64_t completed = 0;
  uint64_t met_objectives = 0;
  uint64_t output_tokens = 0;
  LogHistogram ttft, tpot, e2e;
};
inline constexpr int kServiceTiers = 4;

struct Report {
  uint64_t requests = 0;  // offered
  uint64_t completed = 0;
  uint64_t deadline_missed = 0;
  uint64_t cancelled = 0;
  uint64_t failed = 0;
  std::array<uint64_t, policy::kRefusalCauses> refused{};
  std::array<uint64_t, engine::kRestartCauses> restarts{};
  uint64_t met_objectives = 0;
  bool has_objectives = false;

  ComputeUse compute;          // of all requests
  uint64_t prompt_tokens = 0;  // of the admitted
  uint64_t output_tokens = 0;
  uint64_t cache_queried_tokens = 0;
  uint64_t cache_hit_tokens = 0;

  // Of completed requests; the four parts of a request add up to its end-to-end time exactly.
  LogHistogram ttft, tpot, e2e, queue, prefill, transfer, decode;
  LogHistogram inter_token;                        // of every token after a request's first
  std::array<ServedTally, kServiceTiers> by_tier;  // by ServiceTier

  Nanoseconds begin;  // first arrival offered
  Nanoseconds end;    // last event
  std::vector<DeviceUse> devices;

  uint64_t events = 0;
  uint64_t digest = 0;
  uint64_t trace_hash = 0;
  uint64_t seed = 0;
  double speed_up = 1;
  uint32_t repeat = 1;

  double seconds() const { return ToSeconds(end - begin); }
  uint64_t refused_total() const {
    uint64_t total = 0;
    for (const uint64_t n : refused) total += n;
    return total;
  }
  double energy_joules() const;
  double cost_usd() const;
  // Of the device time that was charged to requests, without what stood idle.
  double charged_usd() const;
};

class Tally : public engine::EngineObserver {
 public:
  explicit Tally(const LatencyObjectives& objectives) : objectives_(objectives) {
    report.has_objectives = objectives.any();
  }

  void OnRefused(const engine::SequenceInfo& sequence, policy::RefusalCause cause,
                 Nanoseconds retry_after) override {
    ++report.refused[static_cast<size_t>(cause)];
  }
  void OnToken(const engine::TokenInfo& token) override {
    ++report.output_tokens;
    if (token.index > 0) report.inter_token.Add(token.gap);
  }
  void OnTokens(const engine::TokenInfo& first, uint32_t count) override {
    OnToken(first);
    report.output_tokens += count - 1;
    report.inter_token.Add(Nanoseconds(), count - 1);
  }
  void OnOutcome(const engine::OutcomeInfo& info) override;
  void OnRestart(const engine::SequenceInfo& sequence, engine::RestartCause cause) override {
    ++report.restarts[static_cast<size_t>(cause)];
  }
  void OnCacheLookup(engine::LaneIndex lane, Tokens queried, Tokens hit) override {
    report.cache_queried_tokens += queried.count();
    report.cache_hit_tokens += hit.count();
  }
  void OnPrefillStep(engine::LaneIndex lane, engine::DeviceIndex worker, Tokens tokens,
                     Nanoseconds lasts) override;
  void OnBatchStep(engine::LaneIndex lane, engine::DeviceIndex unit, int sequences,
                   Nanoseconds lasts) override;

  // Busy time and tokens of a worker or a batch unit.
  struct Busy {
    Nanoseconds busy;
    uint64_t tokens = 0;
  };
  Busy worker(engine::LaneIndex lane, engine::DeviceIndex index) const {
    return Get(workers_, lane, index);
  }
  Busy batch(engine::LaneIndex lane, engine::DeviceIndex index) const {
    return Get(batches_, lane, index);
  }

  Report report;

 private:
  using Table = std::vector<std::vector<Busy>>;
  static Busy& At(Table* table, engine::LaneIndex lane, engine::DeviceIndex index);
  static Busy Get(const Table& table, engine::LaneIndex lane, engine::DeviceIndex index);

  const LatencyObjectives objectives_;
  Table workers_, batches_;
};

}  // namespace waferline::simulator
