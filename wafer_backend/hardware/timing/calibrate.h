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

// Profiles "vendor-2024" and "vendor-2025": of later kernels only whole models' speed is known, so
// one constant is fitted, layer_scale on top of `base`'s kernels, to log speed. "vendor-2024" takes
// the rows without speculation (two, so it is an anchor more than a fit), "vendor-2025" all others,
// each as if it accepted the profile's tokens_per_step a pass; what a row leaves over is its own
// unknown acceptance. 1,024 cached positions are assumed. InvalidArgument for another name, a row
// whose model is unknown, or no row at all.
absl::StatusOr<Calibration> CalibrateModels(const std::string& profile,
                                            const std::vector<ModelMeasurement>& points,
                                            const Profile& base, const silicon::WaferSpec& wafer);

}  // namespace waferline::timing
