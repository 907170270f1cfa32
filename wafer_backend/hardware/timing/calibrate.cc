#include "wafer_backend/hardware/timing/calibrate.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/timing/kernels.h"
#include "wafer_backend/hardware/timing/least_squares.h"

namespace waferline::timing {
namespace {

constexpr int kPointsPerConstant = 3;

// Whole-model kernels only; single kernels say nothing of it.
bool FittedHere(const ConstantField& field) {
  return std::string_view(field.name) != "layer_scale";
}

void Set(const std::vector<double>& values, KernelConstants* constants) {
  size_t i = 0;
  for (const ConstantField& field : ConstantFields()) {
    if (FittedHere(field)) constants->*field.value = values[i++];
  }
}

Profile StartingProfile() {
  Profile p;
  p.name = "open";
  p.title = "Public kernels: WaferLLM and its independent re-runs";
  p.shared_grid = true;
  p.softmax_score_cycles = {16, 4, 60, Mark::kUnknown,
                            "an FP16 exponential by a short polynomial, not measured"};
  p.tokens_per_step = {1, 1, 1, Mark::kPublished, "the measured kernels do not speculate"};
  p.draft_seconds = {0, 0, 0, Mark::kPublished, "the measured kernels do not speculate"};
  for (const ConstantField& field : ConstantFields()) {
    if (FittedHere(field)) p.fitted.emplace_back(field.name);
  }
  return p;
}

Profile::Sides DecodeSides(const std::vector<KernelMeasurement>& points) {
  Profile::Sides sides{1e6, 1};
  for (const KernelMeasurement& point : points) {
    const auto* layer = std::get_if<DecodeLayerSize>(&point.size);
    if (layer == nullptr) continue;
    sides.low = std::min(sides.low, static_cast<double>(layer->grid));
    sides.high = std::max(sides.high, static_cast<double>(layer->grid));
  }
  return sides.low <= sides.high ? sides : Profile::Sides{};
}

}  // namespace

absl::StatusOr<Calibration> CalibrateKernels(
    const std::vector<KernelMeasurement>& points,
    const std::map<std::string, silicon::WaferSpec>& machines) {
  const Profile start = StartingProfile();
  if (points.size() < kPointsPerConstant * start.fitted.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(points.size(), " points cannot fit ", start.fitted.size(),
                     " constants: ", kPointsPerConstant, " are needed for each"));
  }
  for (const KernelMeasurement& point : points) {
    const auto machine = machines.find(point.machine);
    if (machine == machines.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(point.label, ": machine: \"", point.machine, "\" is not a known wafer"));
    }
    const auto cycles = KernelCycles(machine->second, start, point.size);
    if (!cycles.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(point.label, ": ", cycles.status().message()));
    }
  }

  FitProblem problem;
  for (const ConstantField& field : ConstantFields()) {
    if (FittedHere(field)) problem.start.push_back(start.constants.*field.value);
  }
  problem.points = static_cast<int>(points.size());
  problem.error = [&, tried = start](const std::vector<double>& values, int i) mutable {
    const KernelMeasurement& point = points[static_cast<size_t>(i)];
    Set(values, &tried.constants);
    const auto cycles = KernelCycles(machines.at(point.machine), tried, point.size);
    return *cycles / point.cycles - 1;  // sizes were checked above
  };
  WL_ASSIGN_OR_RETURN(const FitResult fit, Fit(problem));

  Calibration calibration;
  calibration.profile = start;
  Set(fit.parameters, &calibration.profile.constants);
  calibration.profile.spread = fit.spread;
  calibration.profile.fit_constants = static_cast<int>(start.fitted.size());
  calibration.profile.fit_points = problem.points;
  calibration.profile.measured_sides = DecodeSides(points);
  size_t k = 0;
  for (const ConstantField& field : ConstantFields()) {
    calibration.profile.errors.*field.value = FittedHere(field) ? fit.standard_errors[k++] : 0;
  }
  for (int i = 0; i < problem.points; ++i) {
    const KernelMeasurement& point = points[static_cast<size_t>(i)];
    calibration.profile.residuals.push_back(
        {point.label, point.cycles, point.cycles * (1 + problem.error(fit.parameters, i))});
  }
  WL_ASSIGN_OR_RETURN(calibration.left_out_errors, LeaveOneOutErrors(problem));
  std::vector<int64_t> grid_of;
  for (const KernelMeasurement& point : points) {
    grid_of.push_back(std::visit([](const auto& size) { return size.grid; }, point.size));
  }
  WL_ASSIGN_OR_RETURN(calibration.grid_left_out_errors, LeaveGroupOutErrors(problem, grid_of));
  return calibration;
}

}  // namespace waferline::timing
