// Fits what accelerators of one generation reach in serving to the published figures that their
// files mark `fitted`: compute_efficiency and layer_seconds, the same for all of them. The other
// facts are the files'. Deterministic; any thread; under a second for some fifty figures.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/hardware/placement/device_figures.h"
#include "wafer_backend/hardware/silicon/hardware.h"

namespace waferline::placement {

struct ServingPoint {
  std::string name, unit;
  double published = 0;
  double predicted = 0;
  double left_out = 0;  // predicted over published, less 1, of a fit without this figure
  bool fitted = false;  // else it took no part in any fit

  double error() const { return predicted / published - 1; }
};

struct ServingCalibration {
  double compute_efficiency = 0, layer_seconds = 0;
  double compute_efficiency_error = 0, layer_seconds_error = 0;  // standard errors
  std::vector<ServingPoint> points;  // those fitted, then those held out
};

// InvalidArgument: a machine is a wafer, or fewer figures are marked than three a constant.
absl::StatusOr<ServingCalibration> CalibrateServing(std::vector<silicon::Hardware> machines);

}  // namespace waferline::placement
