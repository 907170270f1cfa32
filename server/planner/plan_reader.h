// Reads a plan:
//
//   title: 750 MW over three years
//   start: 2026-01-05
//   weeks: 260
//   kw_per_system: {value: 23, low: 23, high: 27, mark: P, source: "..."}
//   stages:
//     - name: wafers
//       supplier: tsmc
//       rate: [{week: 0, per_week: {value: 70, mark: "?", source: "..."}}]
//       lead_weeks: {value: 16, low: 12, high: 20, mark: "?", source: "..."}
//       good_from: wse-3          # the silicon model's share of sellable wafers; or good: {...}
//     - name: assembly
//       supplier: own
//       rate: [...]
//       needs: [{stage: wafers, units: {value: 1, ...}}, ...]
//   halls:
//     - {name: north, how: lease, steps: [{week: {...}, mw: {...}}], usd_per_mw_month: {...}}
//     - {name: own, how: build, start_week: {...}, phases: {grid: {...}, ...}, fit_out: {...},
//        mw: {...}, capex_usd_per_mw: {...}}
//   contracted: [{name: first, mw: {...}, from_week: {...}, to_week: {...}}]    # contracted.h
//
//   finance: {...}, serving: {...}       # finance.h; without them a plan has no money
//   demand: {...}                        # demand.h; without it a plan has no tiers
//   outages: [{stage: power, week: 26, weeks: 13}]           # that the plan foresees
//
// A plan may extend another one: `extends: 750mw`, with a title, and what changes: `weeks`, `set:
// [{parameter: stages.wafers.lead_weeks, to: {value: ...}}]`, further steps of `rates: [{stage,
// week, per_week}]`, further halls, contracted and outages.
//
// Of a stage, good, rework_weeks, stock, enabled, unit_cost_usd, one_off_usd, losses, max_stock and
// into may be left out. Pure functions but for reading the file; any thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/planner/plan.h"

namespace waferline::planner {

// InvalidArgument: all faults of the file, each with its line and field: stages that need each
// other in a circle, a stage that nothing leads to, negative rates, names given twice.
absl::StatusOr<Plan> ParsePlan(const std::string& name, std::string_view text);
// A name of deploy/plans, or a path.
absl::StatusOr<Plan> LoadPlan(const std::string& name_or_path);

// "name=number", as --set has it: the value, low and high are that number from now on, it is known.
// With `scale`, as --scale has it: all three are multiplied by it. InvalidArgument: a number
// outside what the parameter allows; an unknown name, with the nearest one.
absl::Status ChangeParameter(std::string_view assignment, bool scale, Plan* plan);

}  // namespace waferline::planner
