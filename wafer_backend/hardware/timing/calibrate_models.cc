#include <cmath>
#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/timing/calibrate.h"
#include "wafer_backend/hardware/timing/least_squares.h"
#include "wafer_backend/hardware/timing/model_shape_file.h"
#include "wafer_backend/hardware/timing/stage_costs.h"

namespace waferline::timing {
namespace {

constexpr double kCachedPositions = 1024;

struct Row {
  ModelShape shape;
  LayoutNeeds needs;
  double measured = 0;
  std::string label;
};

absl::StatusOr<std::vector<Row>> RowsOf(const std::vector<ModelMeasurement>& points,
                                        bool speculating) {
  std::vector<Row> rows;
  for (const ModelMeasurement& point : points) {
    if ((point.speculation != "no") != speculating) continue;
    WL_ASSIGN_OR_RETURN(ModelShape shape, LoadModelShape(point.model));
    Row row;
    row.shape = std::move(shape);
    row.needs.wafers = point.wafers;
    row.needs.bytes_per_weight = absl::StrContains(point.weights, "fp8") ? 1 : 2;
    row.measured = point.tokens_per_second;
    row.label = absl::StrCat(point.model, " ", point.date);
    rows.push_back(std::move(row));
  }
  return rows;
}

absl::StatusOr<double> Speed(const Row& row, const silicon::WaferSpec& wafer,
                             const Profile& profile) {
  WL_ASSIGN_OR_RETURN(const DecodeCosts costs, DecodeCostsOf(row.shape, wafer, profile, row.needs));
  return costs.tokens_per_step / costs.total.At(kCachedPositions);
}

}  // namespace

absl::StatusOr<Calibration> CalibrateModels(const std::string& name,
                                            const std::vector<ModelMeasurement>& points,
                                            const Profile& base, const silicon::WaferSpec& wafer) {
  Profile start = base;
  start.name = name;
  start.anchored = true;
  start.shared_grid = false;
  start.residuals.clear();
  start.fitted = {"layer_scale"};
  if (name == "vendor-2024") {
    start.title = "The vendor's kernels at launch, from two end-to-end speeds without speculation";
  } else if (name == "vendor-2025") {
    start.title =
        "The vendor's later kernels; speculation is a parameter that nobody outside knows";
    start.tokens_per_step = {2, 1, 4, silicon::Mark::kUnknown,
                             "accepted tokens a pass; the published rows imply 1 to 4"};
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("profile \"", name, "\" is not fitted to models: vendor-2024, vendor-2025"));
  }
  WL_ASSIGN_OR_RETURN(const std::vector<Row> rows, RowsOf(points, name != "vendor-2024"));
  for (const Row& row : rows) WL_RETURN_IF_ERROR(Speed(row, wafer, start).status());

  FitProblem problem;
  problem.start = {start.constants.layer_scale};
  problem.points = static_cast<int>(rows.size());
  problem.error = [&, tried = start](const std::vector<double>& scale, int i) mutable {
    tried.constants.layer_scale = scale[0];
    const Row& row = rows[static_cast<size_t>(i)];
    return std::log(*Speed(row, wafer, tried) / row.measured);  // was fine above
  };
  WL_ASSIGN_OR_RETURN(const FitResult fit, Fit(problem));

  Calibration calibration;
  calibration.profile = start;
  Profile& profile = calibration.profile;
  profile.constants.layer_scale = fit.parameters[0];
  profile.errors = KernelConstants{};
  for (const ConstantField& field : ConstantFields()) {
    profile.errors.*field.value = base.errors.*field.value;
  }
  profile.errors.layer_scale = fit.standard_errors[0];
  // The rows' own unknown acceptance is a parameter of its own, no scatter of the kernels.
  profile.spread = name == "vendor-2024" ? fit.spread : base.spread;
  for (int i = 0; i < problem.points; ++i) {
    const Row& row = rows[static_cast<size_t>(i)];
    profile.residuals.push_back(
        {row.label, row.measured, row.measured * std::exp(problem.error(fit.parameters, i))});
  }
  if (rows.size() > 1) {
    WL_ASSIGN_OR_RETURN(calibration.left_out_errors, LeaveOneOutErrors(problem));
    for (double& error : calibration.left_out_errors) error = std::expm1(error);
  } else {
    calibration.left_out_errors.assign(rows.size(), 0.0);
  }
  return calibration;
}

}  // namespace waferline::timing
