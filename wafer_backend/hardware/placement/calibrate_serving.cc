#include "wafer_backend/hardware/placement/calibrate_serving.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/timing/least_squares.h"

namespace waferline::placement {
namespace {

constexpr size_t kConstants = 2;

// A machine with those figures alone that are fitted, or alone those that are not.
silicon::Hardware Only(const silicon::Hardware& machine, bool fitted) {
  silicon::Hardware out = machine;
  auto& spec = std::get<silicon::AcceleratorSpec>(out.spec);
  std::erase_if(spec.checks, [&](const auto& figures) { return figures.fitted != fitted; });
  return out;
}

void Set(const std::vector<double>& constants, std::vector<silicon::Hardware>* machines) {
  for (silicon::Hardware& machine : *machines) {
    auto& spec = std::get<silicon::AcceleratorSpec>(machine.spec);
    spec.compute_efficiency.value = constants[0];
    spec.layer_seconds.value = constants[1];
  }
}

absl::StatusOr<std::vector<CheckedFigure>> CheckAll(
    const std::vector<silicon::Hardware>& machines) {
  std::vector<CheckedFigure> all;
  for (const silicon::Hardware& machine : machines) {
    WL_ASSIGN_OR_RETURN(const std::vector<CheckedFigure> some, CheckFigures(machine));
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

void AddPoints(const std::vector<CheckedFigure>& checked, bool fitted, ServingCalibration* out) {
  for (const CheckedFigure& figure : checked) {
    out->points.push_back({.name = figure.name,
                           .unit = figure.unit,
                           .published = figure.published,
                           .predicted = figure.predicted,
                           .fitted = fitted});
  }
}

// Predictions of all figures for the constants asked last: the fit asks for one figure after
// another.
class Predictions {
 public:
  explicit Predictions(std::vector<silicon::Hardware>* machines) : machines_(machines) {}
  double LogError(const std::vector<double>& constants, int point) {
    if (constants != at_) {
      Set(constants, machines_);
      const auto checked = CheckAll(*machines_);
      logs_.clear();
      for (const CheckedFigure& figure : *checked) {
        logs_.push_back(std::log(figure.predicted / figure.published));
      }
      at_ = constants;
    }
    return logs_[static_cast<size_t>(point)];
  }

 private:
  std::vector<silicon::Hardware>* machines_;
  std::vector<double> at_, logs_;
};

}  // namespace

absl::StatusOr<ServingCalibration> CalibrateServing(std::vector<silicon::Hardware> machines) {
  std::vector<silicon::Hardware> fitted, held_out;
  for (const silicon::Hardware& machine : machines) {
    if (machine.accelerator() == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat(machine.name, " is a wafer, must be an accelerator"));
    }
    fitted.push_back(Only(machine, true));
    held_out.push_back(Only(machine, false));
  }
  // What does not fit or is unknown shows here, whatever the constants are.
  WL_ASSIGN_OR_RETURN(const std::vector<CheckedFigure> start, CheckAll(fitted));
  if (start.size() < 3 * kConstants) {
    return absl::InvalidArgumentError(absl::StrCat(kConstants, " constants need ", 3 * kConstants,
                                                   " figures marked fitted; there are ",
                                                   start.size()));
  }
  const silicon::AcceleratorSpec& first = *fitted.front().accelerator();
  Predictions predictions(&fitted);
  timing::FitProblem problem{.start = {first.compute_efficiency.value, first.layer_seconds.value},
                             .points = static_cast<int>(start.size()),
                             .error = [&](const std::vector<double>& constants, int point) {
                               return predictions.LogError(constants, point);
                             }};
  WL_ASSIGN_OR_RETURN(const timing::FitResult fit, timing::Fit(problem));
  WL_ASSIGN_OR_RETURN(const std::vector<double> left_out, timing::LeaveOneOutErrors(problem));
  ServingCalibration out{.compute_efficiency = fit.parameters[0],
                         .layer_seconds = fit.parameters[1],
                         .compute_efficiency_error = fit.standard_errors[0],
                         .layer_seconds_error = fit.standard_errors[1]};
  Set(fit.parameters, &fitted);
  Set(fit.parameters, &held_out);
  WL_ASSIGN_OR_RETURN(const std::vector<CheckedFigure> at, CheckAll(fitted));
  AddPoints(at, true, &out);
  for (size_t i = 0; i < left_out.size(); ++i) out.points[i].left_out = std::expm1(left_out[i]);
  WL_ASSIGN_OR_RETURN(const std::vector<CheckedFigure> others, CheckAll(held_out));
  AddPoints(others, false, &out);
  return out;
}

}  // namespace waferline::placement
