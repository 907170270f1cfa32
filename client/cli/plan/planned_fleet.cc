#include "client/cli/plan/planned_fleet.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace waferline::cli {
namespace {

constexpr int64_t kMaxUnits = 1024;

}  // namespace

absl::Status CheckScale(const FleetScale& scale) {
  if (scale.file.models.empty()) return absl::InvalidArgumentError("models: is empty");
  const fleet::LaneConfig& model = scale.file.models.front();
  if (model.decode.size() != 1) {
    return absl::InvalidArgumentError(
        "models[0].decode: must be a single kind of unit, so that it can be multiplied");
  }
  if (model.decode.front().wafers_per_unit == 0) {
    return absl::InvalidArgumentError(
        "models[0].decode[0].wafers_per_unit: must be given; waferctl wafer predict says how many "
        "hold the model");
  }
  return absl::OkStatus();
}

std::vector<PlannedFleet> PlannedFleets(const planner::Plan& plan, const FleetScale& scale,
                                        int every) {
  const planner::Values values = plan.BaseValues();
  const planner::SupplyRun supply = planner::RunSupply(plan, values);
  const std::vector<double> online = planner::OnlineMw(plan, values, supply);
  const std::vector<double> promised = planner::PromisedMw(plan, values);
  const double most = *std::max_element(promised.begin(), promised.end());
  const fleet::LaneConfig& model = scale.file.models.front();
  const double workers_a_unit =
      static_cast<double>(model.prefill.workers) / model.decode.front().units;

  std::vector<PlannedFleet> fleets;
  for (int week = every; week - every < plan.weeks; week += every) {
    const int last = std::min(week, plan.weeks);
    const auto at = static_cast<size_t>(last) - 1;
    PlannedFleet fleet{.week = last,
                       .promised_mw = promised[at],
                       .online_mw = online[at],
                       .systems = supply.online[at],
                       .load = most > 0 ? promised[at] / most : 0};
    const double systems = static_cast<double>(fleet.systems) * scale.ratio;
    fleet.units = std::min(
        kMaxUnits, static_cast<int64_t>(systems / model.decode.front().wafers_per_unit + 1e-9));
    const int64_t workers = std::clamp<int64_t>(
        std::llround(workers_a_unit * static_cast<double>(fleet.units)), 1, kMaxUnits);
    fleet.overrides = {{"models.0.decode.0.units", absl::StrCat(fleet.units)},
                       {"models.0.prefill.workers", absl::StrCat(workers)}};
    fleets.push_back(std::move(fleet));
  }
  return fleets;
}

}  // namespace waferline::cli
