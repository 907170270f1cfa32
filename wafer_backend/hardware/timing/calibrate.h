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
};

// Profile "open": the kernel constants from kernel cycles. `machines` holds the hardware that the
// points name. InvalidArgument names a point whose size or machine is impossible, or says that
// there are fewer than three points per constant.
absl::StatusOr<Calibration> CalibrateKernels(
    const std::vector<KernelMeasurement>& points,
    const std::map<std::string, silicon::WaferSpec>& machines);

// Profiles "vendor-2024" and "vendor-2025", of one fit to all rows: of the vendor's kernels only
// whole models' speed is known, so two constants are fitted on top of `base`'s kernels, the launch
// kernels' scale (layer_scale of vendor-2024) and the later kernels' gain over them (in layer_scale
// of vendor-2025). Rows without speculation are launch kernels at one token a pass; all others are
// later kernels at an unknown acceptance of 1 to 4 each, so each is a range and pulls towards its
// middle. 1,024 cached positions are assumed. InvalidArgument for another name, a row whose model
// is unknown, fewer than three rows a constant, or a kind of row that is missing.
absl::StatusOr<Calibration> CalibrateModels(const std::string& profile,
                                            const std::vector<ModelMeasurement>& points,
                                            const Profile& base, const silicon::WaferSpec& wafer);

}  // namespace waferline::timing
