#include "wafer_backend/hardware/placement/calibrate_models.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>

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

// What independent readings of a speed with speculation are of the vendor's own figure: its texts
// are easier to guess. One model has both: gpt-oss-120b, 3000 and 1706 to 2059 tokens/s
// (deploy/calibration/vendor.csv).
constexpr double kIndependentShare = (1706.0 + 2059.0) / 2 / 3000;

struct SpeedRow {
  ModelSizes shape;
  int wafers = 0;
  double bytes_per_weight = 2;
  double measured = 0;
  std::string label;
  bool launch = false;  // one token a pass
  double share = 1;     // of the vendor's own figure
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
    if (point.independent && !row.launch) row.share = kIndependentShare;
    rows.push_back(std::move(row));
  }
  return rows;
}

constexpr int kParameters = 3;  // layer_scale; tokens_per_step and draft_seconds

struct SpeedFit {
  const std::vector<SpeedRow>& rows;
  const silicon::WaferSpec& wafer;
  const Profile& base;
  double scale = 1;                        // of the launch kernels' layers, once it is known
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

  // Parameters: of a launch row the scale; of a later one the accepted tokens a pass and the
  // milliseconds of drafting them.
  Residual ResidualOf(const SpeedRow& row, const std::vector<double>& parameters) const {
    Profile tried = base;
    tried.constants.layer_scale = row.launch ? parameters[0] : scale;
    const auto index = static_cast<size_t>(&row - rows.data());
    const double pass = SpeedOf(TaskOf(row, tried), placements[index]).pass_seconds;
    if (row.launch) return {row.label, row.measured, 1 / pass};
    return {row.label, row.measured, row.share * parameters[0] / (pass + 1e-3 * parameters[1])};
  }
};

// A fit to the launch rows or to the later ones.
struct PartFit {
  FitResult fit;
  int points = 0;
  std::vector<double> left_out;  // log(predicted / measured) of each, fitted without it
};

absl::StatusOr<PartFit> FitRows(const SpeedFit& family, bool launch, std::vector<double> start) {
  std::vector<const SpeedRow*> part;
  for (const SpeedRow& row : family.rows) {
    if (row.launch == launch) part.push_back(&row);
  }
  FitProblem problem;
  problem.start = std::move(start);
  problem.points = static_cast<int>(part.size());
  problem.error = [&](const std::vector<double>& parameters, int i) {
    const Residual r = family.ResidualOf(*part[static_cast<size_t>(i)], parameters);
    return std::log(r.predicted / r.measured);
  };
  PartFit out;
  out.points = problem.points;
  WL_ASSIGN_OR_RETURN(out.fit, timing::Fit(problem));
  WL_ASSIGN_OR_RETURN(out.left_out, timing::LeaveOneOutErrors(problem));
  return out;
}

absl::Status CheckRows(const std::vector<SpeedRow>& rows) {
  const auto count = static_cast<int>(rows.size());
  const auto launches = static_cast<int>(
      std::count_if(rows.begin(), rows.end(), [](const SpeedRow& row) { return row.launch; }));
  if (count >= 3 * kParameters && launches >= 2 && count - launches >= 4) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the vendor's ", kParameters, " constants need ", 3 * kParameters,
                   " rows, two at least with spec no and four without: there are ", count,
                   " rows, ", launches, " with spec no"));
}

// What the fit starts from: the kernels of `base` under the vendor's name.
Profile StartOf(const std::string& name, const Profile& base) {
  Profile start = base;
  start.name = name;
  start.title = name == "vendor-2024"
                    ? "The vendor's kernels at launch, from end-to-end speeds without speculation"
                    : "The vendor's later service, with speculation, as the vendor states its "
                      "speed; independent benchmarks read about 0.63 of that";
  start.anchored = true;
  start.shared_grid = false;
  start.residuals.clear();
  start.fitted = {"layer_scale"};
  start.fit_constants = kParameters;
  return start;
}

// The half-width of an 80 % interval in standard deviations: Student's t at 90 % for 1, 2, ...
// degrees of freedom (Abramowitz and Stegun, table 26.10), the normal's beyond.
double Quantile90(int freedom) {
  constexpr double kT[] = {3.078, 1.886, 1.638, 1.533, 1.476, 1.440, 1.415,
                           1.397, 1.383, 1.372, 1.363, 1.356, 1.350, 1.345};
  return freedom <= static_cast<int>(std::size(kT)) ? kT[std::max(freedom, 1) - 1] : 1.30;
}

// 80 % of the logarithms of predicted over measured speed, of models that took no part in the fit,
// lie within plus and minus this: the scatter, and what the fit's own uncertainty adds to it.
double HalfInterval(const PartFit& part) {
  const auto constants = static_cast<double>(part.fit.parameters.size());
  const int freedom = part.points - static_cast<int>(constants);
  return Quantile90(freedom) * part.fit.spread * std::sqrt(1 + constants / part.points);
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
  WL_RETURN_IF_ERROR(CheckRows(rows));
  SpeedFit family{rows, wafer, start};
  WL_RETURN_IF_ERROR(family.PlaceAll());
  // The launch rows alone decide the scale; the later rows the rest.
  WL_ASSIGN_OR_RETURN(const PartFit launches, FitRows(family, true, {1}));
  const double scale = launches.fit.parameters[0];
  family.scale = scale;
  WL_ASSIGN_OR_RETURN(const PartFit later, FitRows(family, false, {2, 1}));

  Calibration calibration;
  calibration.profile = start;
  Profile& profile = calibration.profile;
  profile.fit_points = static_cast<int>(rows.size());
  profile.constants.layer_scale = scale;
  profile.errors.layer_scale = launches.fit.standard_errors[0];
  // Twice the spread is taken as an interval (Profile).
  const double launch_half = 2 * std::max(base.spread, launches.fit.spread);
  const double later_half = HalfInterval(later);
  if (launch) {
    profile.spread = launch_half / 2;
  } else {
    const double accepted = later.fit.parameters[0], draft = later.fit.parameters[1] * 1e-3;
    profile.tokens_per_step = {accepted, std::max(1.0, accepted * std::exp(-later_half)),
                               accepted * std::exp(later_half), Mark::kDerived,
                               "fitted with what kernels have gained since launch in it; the range "
                               "is that of 80 % of models that took no part in the fit"};
    profile.draft_seconds = {draft, draft, draft, Mark::kDerived,
                             "fitted: drafting these tokens, a pass"};
  }
  size_t of_launch = 0, of_later = 0;
  for (const SpeedRow& row : rows) {
    const PartFit& part = row.launch ? launches : later;
    size_t& at = row.launch ? of_launch : of_later;
    profile.residuals.push_back(family.ResidualOf(row, part.fit.parameters));
    const double error = part.left_out[at++];
    calibration.left_out_inside_80 += std::abs(error) <= (row.launch ? launch_half : later_half);
    calibration.left_out_errors.push_back(std::expm1(error));
  }
  return calibration;
}

}  // namespace waferline::placement
