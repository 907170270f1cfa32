// One demand, two tiers: wafers serve the share that must be fast, accelerators the rest. How many
// of each that takes at the busiest hour, what it costs and draws. Pure.
//
// Wafers come in whole pipelines, accelerators in whole nodes. A wafer's hour costs what the plan's
// does (CostOfSystemHour) at the utilisation that the demand leaves it; a node is rented, its power
// is in the price and counts as MW and joules only. Idle machines draw `serving.idle_share` of
// their watts; both tiers stand in halls of the plan's PUE.
#pragma once

#include <cstdint>
#include <vector>

#include "server/planner/monte_carlo.h"
#include "server/planner/plan.h"

namespace waferline::planner {

struct TierFleet {
  int64_t units = 0;             // pipelines, or nodes
  int64_t machines = 0;          // wafers, or nodes
  double tokens_per_second = 0;  // in the mean
  double utilisation = 0;        // mean tokens over those of the full fleet; 0: no fleet
  double usd_per_hour = 0;
  double mw = 0;  // from the grid, in the mean
};

struct TierPoint {
  double share = 0;  // of the tokens, served by wafers
  TierFleet fast;
  TierFleet rest;
  double usd_per_million_tokens = 0;
  double joules_per_million_tokens = 0;

  double mw() const { return fast.mw + rest.mw; }
};

// The plan must have demand; 0 <= share <= 1.
TierPoint TierAt(const Plan& plan, const Values& values, double share);

// The same with every parameter drawn from its range.
struct TierRange {
  TierPoint value;
  Spread usd_per_million_tokens;
  Spread joules_per_million_tokens;
};
TierRange TierRangeAt(const Plan& plan, double share, int runs, uint64_t seed);

}  // namespace waferline::planner
