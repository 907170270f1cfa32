#include "wafer_backend/hardware/placement/calibrate_models.h"

#include <cmath>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/placement/placement.h"
#include "wafer_backend/hardware/placement/speed.h"
#include "wafer_backend/hardware/timing/least_squares.h"
#include "wafer_backend/hardware/timing/model_shape_file.h"

namespace waferline::placement {
namespace {

using timing::Calibration;
using timing::FitProblem;
using timing::FitResult;
using timing::ModelMeasurement;
using timing::ModelSizes;
using timing::Profile;
using timing::Residual;

constexpr int64_t kCachedPositions = 1024;
// Tokens that a pass may accept where a row has speculation or does not say: up to a draft of
// three.
constexpr double kMinAccepted = 1, kMaxAccepted = 4;

struct SpeedRow {
  ModelSizes shape;
  int wafers = 0;
  double bytes_per_weight = 2;
  double measured = 0;
  std::string label;
  bool launch = false;  // launch kernels, one token a pass
};

absl::StatusOr<std::vector<SpeedRow>> RowsOf(const std::vector<ModelMeasurement>& points) {
  std::vector<SpeedRow> rows;
  for (const ModelMeasurement& point : points) {
    WL_ASSIGN_OR_RETURN(ModelSizes shape, timing::LoadModelShape(point.model));
    SpeedRow row;
    row.shape = std::move(shape);
    row.wafers = point.wafers;
    row.bytes_per_weight = point.bytes_per_weight;
    row.measured = point.tokens_per_second;
    row.label = absl::StrCat(point.model, " ", point.date, ", speculation: ", point.speculation);
    row.launch = point.speculation == "no";
    rows.push_back(std::move(row));
  }
  return rows;
}

// Fitted together: parameters are the launch kernels' scale and the later ones' gain.
struct SpeedFit {
  const std::vector<SpeedRow>& rows;
  const silicon::WaferSpec& wafer;
  const Profile& base;
  std::vector<Placement> placements = {};  // of the rows; the scale of all layers moves none

  PlacementTask TaskOf(const SpeedRow& row, const Profile& profile) const {
    return {.shape = row.shape,
            .wafer = wafer,
            .profile = profile,
            .context = kCachedPositions,
            .wafers = row.wafers,
            .bytes_per_weight = row.bytes_per_weight};
  }
  absl::Status PlaceAll() {
    for (const SpeedRow& row : rows) {
      WL_ASSIGN_OR_RETURN(Placement placed, Place(TaskOf(row, base)));
      placements.push_back(std::move(placed));
    }
    return absl::OkStatus();
  }

  static double Scale(const std::vector<double>& p, bool launch) {
    return launch ? p[0] : p[0] / p[1];
  }
  Residual ResidualOf(const std::vector<double>& parameters, int i) const {
    const SpeedRow& row = rows[static_cast<size_t>(i)];
    Profile tried = base;
    tried.constants.layer_scale = Scale(parameters, row.launch);
    const PlacementSpeed speed = SpeedOf(TaskOf(row, tried), placements[static_cast<size_t>(i)]);
    Residual residual{row.label, row.measured, 1 / speed.pass_seconds, 1, 1};
    if (!row.launch) {
      residual.accepted_low = kMinAccepted;
      residual.accepted_high = kMaxAccepted;
    }
    return residual;
  }
};

// What the fit starts from: the kernels of `base` under the vendor's name.
Profile StartOf(const std::string& name, const Profile& base) {
  const bool launch = name == "vendor-2024";
  Profile start = base;
  start.name = name;
  start.title =
      launch ? "The vendor's kernels at launch, from two end-to-end speeds without speculation"
             : "The vendor's later kernels; speculation is a parameter, unknown outside "
               "the vendor";
  start.anchored = true;
  start.shared_grid = false;
  start.residuals.clear();
  start.fitted = {"layer_scale"};
  if (!launch) {
    start.tokens_per_step = {2, kMinAccepted, kMaxAccepted, Mark::kUnknown,
                             "accepted tokens a pass; the middle of 1 to 4, a range of ours"};
  }
  return start;
}

}  // namespace

absl::StatusOr<Calibration> CalibrateModels(const std::string& name,
                                            const std::vector<ModelMeasurement>& points,
                                            const Profile& base, const silicon::WaferSpec& wafer) {
  const bool launch = name == "vendor-2024";
  if (!launch && name != "vendor-2025") {
    return absl::InvalidArgumentError(
        absl::StrCat("profile \"", name, "\" is not fitted to models: vendor-2024, vendor-2025"));
  }
  const Profile start = StartOf(name, base);
  WL_ASSIGN_OR_RETURN(const std::vector<SpeedRow> rows, RowsOf(points));
  SpeedFit family{rows, wafer, start};
  WL_RETURN_IF_ERROR(family.PlaceAll());
  FitProblem problem;
  problem.start = {1, 1};
  problem.points = static_cast<int>(rows.size());
  int launches = 0;
  for (int i = 0; i < problem.points; ++i) {
    launches += rows[static_cast<size_t>(i)].launch;
  }
  if (problem.points < 6 || launches == 0 || launches == problem.points) {
    return absl::InvalidArgumentError(
        absl::StrCat("the vendor's two constants need six rows, some with spec no and some "
                     "without: there are ",
                     problem.points, " rows, ", launches, " with spec no"));
  }
  problem.error = [&](const std::vector<double>& parameters, int i) {
    const Residual r = family.ResidualOf(parameters, i);
    return std::log(r.predicted * std::sqrt(r.accepted_low * r.accepted_high) / r.measured);
  };
  WL_ASSIGN_OR_RETURN(const FitResult fit, timing::Fit(problem));

  Calibration calibration;
  calibration.profile = start;
  Profile& profile = calibration.profile;
  profile.constants.layer_scale = SpeedFit::Scale(fit.parameters, launch);
  profile.fit_constants = 2;
  profile.fit_points = problem.points;
  double launch_squares = 0;
  for (int i = 0; i < problem.points; ++i) {
    Residual residual = family.ResidualOf(fit.parameters, i);
    if (!residual.is_range()) launch_squares += std::pow(std::log(residual.accepted()), 2);
    profile.residuals.push_back(std::move(residual));
  }
  // The later rows' scatter is their acceptance, no scatter of the kernels.
  profile.spread = std::max(base.spread, std::sqrt(launch_squares / std::max(1, launches - 1)));
  const double launch_error = profile.spread / std::sqrt(launches);
  const double gain_error = fit.standard_errors[1] / fit.parameters[1];
  profile.errors.layer_scale = profile.constants.layer_scale *
                               (launch ? launch_error : std::hypot(launch_error, gain_error));
  WL_ASSIGN_OR_RETURN(calibration.left_out_errors, timing::LeaveOneOutErrors(problem));
  for (size_t i = 0; i < rows.size(); ++i) {
    // Beyond the row's range only.
    const double error = calibration.left_out_errors[i];
    const double width = rows[i].launch ? 0 : std::log(kMaxAccepted / kMinAccepted) / 2;
    const double outside = std::max(0.0, std::abs(error) - width);
    calibration.left_out_errors[i] = std::expm1(std::copysign(outside, error));
  }
  return calibration;
}

}  // namespace waferline::placement
