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
// whole models' speed is known, so three constants are fitted on top of `base`'s kernels. Rows
// without speculation are one token a pass of the launch kernels, whose layers take `layer_scale`
// as long. All others accept tokens_per_step tokens a pass, which lasts draft_seconds longer:
//
//   tokens/s = share * tokens_per_step / (pass(layer_scale) + draft_seconds)
//
// so a small model, whose pass is hardly slower than its draft, gains less than a large one. What
// kernels have gained since launch is in tokens_per_step: no row tells it apart. `share` is 1, or
// that of independent readings (calibrate_models.cc). 1,024 cached positions are assumed.
// InvalidArgument for another name, a row whose model is unknown, fewer than three rows a constant,
// or a kind of row that is missing.
absl::StatusOr<timing::Calibration> CalibrateModels(
    const std::string& profile, const std::vector<timing::ModelMeasurement>& points,
    const timing::Profile& base, const silicon::WaferSpec& wafer);

}  // namespace waferline::placement
