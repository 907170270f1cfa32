#include "scheduler/search/rate_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "wafer_backend/base/status.h"

namespace waferline::search {
namespace {

constexpr double kStep = 1.02;

}  // namespace

absl::StatusOr<RateLimit> HighestRate(double start, const TryRate& try_rate) {
  RateLimit limit;
  const auto holds = [&](double factor) -> absl::StatusOr<bool> {
    WL_ASSIGN_OR_RETURN(Trial trial, try_rate(factor));
    limit.points.push_back({factor, std::move(trial)});
    return limit.points.back().trial.holds;
  };
  double low = start, high = start;
  WL_ASSIGN_OR_RETURN(bool held, holds(start));
  if (held) {
    while (held && high < kHighestFactor) {
      low = high;
      high *= 2;
      WL_ASSIGN_OR_RETURN(held, holds(high));
    }
    if (held) low = high, limit.unbounded = true;
  } else {
    while (!held && low > kLowestFactor) {
      high = low;
      low /= 2;
      WL_ASSIGN_OR_RETURN(held, holds(low));
    }
    if (!held) low = high = 0;
  }
  while (low > 0 && high > low * kStep) {
    const double middle = std::sqrt(low * high);
    WL_ASSIGN_OR_RETURN(held, holds(middle));
    (held ? low : high) = middle;
  }
  limit.factor = low;
  std::sort(limit.points.begin(), limit.points.end(),
            [](const RatePoint& a, const RatePoint& b) { return a.factor < b.factor; });
  return limit;
}

absl::StatusOr<RatePoint> Saturate(double start, const TryRate& try_rate) {
  RatePoint most{start, {}};
  WL_ASSIGN_OR_RETURN(most.trial, try_rate(start));
  for (double factor = start * 2; factor <= kHighestFactor; factor *= 2) {
    WL_ASSIGN_OR_RETURN(Trial trial, try_rate(factor));
    const double before = most.trial.completed_per_second;
    if (trial.completed_per_second > before) most = {factor, std::move(trial)};
    if (most.trial.completed_per_second < before * kStep) break;
  }
  return most;
}

}  // namespace waferline::search
