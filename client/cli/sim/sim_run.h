// The flags of an offline run: its workload and its settings.
#pragma once

#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/simulator/offline_run.h"
#include "wafer_backend/base/command_line/arguments.h"

namespace waferline::cli {

// --config, the workload's flags, and what only offline runs have; shared by sim and sim sweep.
std::vector<Flag> SimFlags();

// A usage error for limits that cannot be read.
absl::StatusOr<simulator::OfflineSettings> ReadSettings(const Arguments& arguments);

// simulator::RunOffline with this process's clock. `progress` may be empty.
absl::StatusOr<simulator::OfflineResult> RunSim(
    const simulator::OfflineInput& input,
    const std::function<void(const simulator::Replay&)>& progress);

}  // namespace waferline::cli
