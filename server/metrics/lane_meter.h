// The counters and histograms of one model: buffers that the engine's thread adds to, and the
// Prometheus series that Flush moves them to. Owner: Exposition, which outlives the engine.
// Thread: the engine's, after construction. Cost: an addition, or a search in at most 64 bounds.
#pragma once

#include <prometheus/registry.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/engine/observer.h"
#include "server/metrics/families.h"
#include "server/metrics/histogram_buffer.h"
#include "server/metrics/tenant_meter.h"

namespace waferline::metrics {

// What a counter has grown by since the last flush. `series` has one entry for each of its names.
struct CounterBuffer {
  std::vector<prometheus::Counter*> series;
  double pending = 0;
  void Add(double n = 1) { pending += n; }
  void Flush();
};

struct SampleBuffer {
  SampleBuffer(Histograms targets, const std::vector<double>& bounds)
      : series(std::move(targets)), pending(bounds) {}
  void Observe(Nanoseconds value) { pending.Observe(value); }
  void Observe(double value) { pending.Observe(value); }
  void Flush() { pending.MoveTo(series); }
  Histograms series;
  HistogramBuffer pending;
};

struct LaneMeter {
  // Creates the series in `families`, which must outlive this.
  LaneMeter(Families& families, const std::string& model);

  void OnOutcome(const engine::OutcomeInfo& info);
  // Moves everything to the series.
  void Flush();

  SampleBuffer first_token, inter_token, per_output_token, request, inference, lateness;
  SampleBuffer prompt_size, answer_size, max_tokens;  // in tokens, by request
  std::vector<SampleBuffer> phases;                   // by engine::Phase
  CounterBuffer admitted, prompt_tokens, generated_tokens, cache_queried, cache_hit;
  CounterBuffer prefill_tokens, prefill_busy_seconds, transferred_bytes, joules;
  TenantMeter tenants;
  std::vector<CounterBuffer> finished;  // by FinishReason
  std::vector<CounterBuffer> restarts;  // by engine::RestartCause
  // By the ServiceTier asked for and the one that served, and by the latter; an answer is served by
  // one of the last three.
  std::array<std::array<CounterBuffer, 4>, 4> tier_requests;
  std::array<CounterBuffer, 4> tier_tokens;

 private:
  void AddCounters(Families& families, const std::string& model);
  void AddTiers(Families& families, const std::string& model);
};

}  // namespace waferline::metrics
