// Fits profiles to published measurements. Deterministic; any thread; tens of milliseconds.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/hardware/silicon/hardware.h"
#include "wafer_backend/hardware/timing/measurements.h"
#include "wafer_backend/hardware/timing/profile.h"

namespace waferline::timing {

struct Calibration {
  Profile profile;
  std::vector<double> left_out_errors;  // of each point, fitted without it; relative
  // Points that, left out, lie within the fit's 80 % interval; of whole models only.
  int left_out_inside_80 = 0;
  // Fitted without all points on grids of its side, too. Empty where the points have no grid.
  std::vector<double> grid_left_out_errors;
};

// Profile "open": the kernel constants from kernel cycles. `machines` holds the hardware that the
// points name. InvalidArgument names a point whose size or machine is impossible, or says that
// there are fewer than three points per constant.
absl::StatusOr<Calibration> CalibrateKernels(
    const std::vector<KernelMeasurement>& points,
    const std::map<std::string, silicon::WaferSpec>& machines);

}  // namespace waferline::timing
