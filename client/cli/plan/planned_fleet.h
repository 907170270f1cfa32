// A plan's fleet in one week, scaled down to one that a simulation can run: the units and prefill
// workers of a fleet file, multiplied. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/fleet/config/fleet_config.h"
#include "server/planner/plan.h"
#include "server/planner/supply.h"
#include "wafer_backend/base/yaml_overrides.h"

namespace waferline::cli {

struct PlannedFleet {
  int week = 0;
  double promised_mw = 0, online_mw = 0;
  int64_t systems = 0;  // online, of the whole plan
  int64_t units = 0;    // pipelines of the scaled fleet: those that its share of the systems fills
  double load = 0;      // what is promised, as a share of the plan's peak
  std::vector<Override> overrides;  // of the file; meaningful if units > 0
};

// What a plan is scaled to.
struct FleetScale {
  const fleet::FleetConfig& file;  // its first model is what the plan's systems serve
  double ratio = 1e-3;             // systems of the simulation for each of the plan
};
// InvalidArgument if the file cannot be multiplied: its first model has several kinds of decode
// units, or does not say how many wafers a unit has.
absl::Status CheckScale(const FleetScale& scale);
// The fleet at the end of each week from `every` on, `every` weeks apart, and of the last one.
// Prefill workers grow with the units, at least one. Units are at most 1024: the file's own bound.
std::vector<PlannedFleet> PlannedFleets(const planner::Plan& plan, const FleetScale& scale,
                                        int every);

}  // namespace waferline::cli
