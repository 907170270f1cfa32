// How much load a fleet carries, found by running it at other rates. Pure.
#pragma once

#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/search/trial.h"

namespace waferline::search {

// The trace's requests `factor` times as densely.
using TryRate = std::function<absl::StatusOr<Trial>(double factor)>;

struct RatePoint {
  double factor = 1;
  Trial trial;
};

struct RateLimit {
  // The most of the tried factors at which the SLO holds; 0 if it does not at kLowestFactor.
  // It fails at 1.02 times as much, unless `unbounded`.
  double factor = 0;
  bool unbounded = false;         // holds even at kHighestFactor
  std::vector<RatePoint> points;  // every rate tried, rising
};
inline constexpr double kLowestFactor = 1.0 / 64;
inline constexpr double kHighestFactor = 1 << 20;

// Doubles from `start` (or halves, if it fails there), then bisects, to 2 %.
absl::StatusOr<RateLimit> HighestRate(double start, const TryRate& try_rate);

// The most that the fleet completes a second however densely requests come: doubles the rate from
// `start` on until that raises what is completed by less than 2 %. The trial with the most.
absl::StatusOr<RatePoint> Saturate(double start, const TryRate& try_rate);

}  // namespace waferline::search
