// `waferctl wafer predict` where --hardware is an accelerator.
#pragma once

#include "absl/status/status.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/hardware/silicon/hardware.h"

namespace waferline::cli {

// A usage error names a flag that only wafers read.
absl::Status PredictOnDevices(const Arguments& arguments, const silicon::Hardware& hardware);

}  // namespace waferline::cli
