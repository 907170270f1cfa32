// Fits the vendor's profiles to the published speed of whole models. Deterministic; any thread;
// some tens of milliseconds.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/hardware/silicon/hardware.h"
#include "wafer_backend/hardware/timing/calibrate.h"
#include "wafer_backend/hardware/timing/measurements.h"
#include "wafer_backend/hardware/timing/profile.h"

namespace waferline::placement {

// Profiles "vendor-2024" and "vendor-2025", of one fit to all rows: of the vendor's kernels only
// whole models' speed is known, so two constants are fitted on top of `base`'s kernels, the launch
// kernels' scale (layer_scale of vendor-2024) and the later kernels' gain over them (in layer_scale
// of vendor-2025). Rows without speculation are launch kernels at one token a pass; all others are
// later kernels at an unknown acceptance of 1 to 4 each, so each is a range and pulls towards its
// middle. 1,024 cached positions are assumed. InvalidArgument for another name, a row whose model
// is unknown, fewer than three rows a constant, or a kind of row that is missing.
absl::StatusOr<timing::Calibration> CalibrateModels(
    const std::string& profile, const std::vector<timing::ModelMeasurement>& points,
    const timing::Profile& base, const silicon::WaferSpec& wafer);

}  // namespace waferline::placement
