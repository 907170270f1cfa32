// Everything counted for one model as the engine goes: tallies on the engine's thread, and the
// series they are moved to. Owner: Exposition. Thread: the engine's, after construction.
#pragma once

#include <prometheus/registry.h>

#include <string>
#include <utility>
#include <vector>

#include "scheduler/engine/observer.h"
#include "server/metrics/families.h"
#include "server/metrics/tally.h"

namespace waferline::metrics {

// A counter's growth since the last flush; the series may have a second name.
struct CountTally {
  std::vector<prometheus::Counter*> series;
  double fresh = 0;
  void Add(double n = 1) { fresh += n; }
  void Flush();
};

struct DurationTally {
  DurationTally(Twins targets, const std::vector<double>& bounds)
      : series(std::move(targets)), tally(bounds) {}
  void Observe(Nanoseconds value) { tally.Observe(value); }
  void Flush() { tally.MoveTo(series); }
  Twins series;
  HistogramTally tally;
};

struct LaneMeter {
  LaneMeter(prometheus::Registry& registry, const std::string& model);

  void OnOutcome(const engine::OutcomeInfo& info);
  // Moves everything to the series.
  void Flush();

  DurationTally first_token, inter_token, per_output_token, request, inference, lateness;
  std::vector<DurationTally> phases;  // by engine::Phase
  CountTally admitted, prompt_tokens, generated_tokens, cache_queried, cache_hit;
  CountTally prefill_tokens, prefill_busy_seconds, transferred_bytes;
  std::vector<CountTally> finished;  // by FinishReason
  std::vector<CountTally> restarts;  // by engine::RestartCause
};

}  // namespace waferline::metrics
