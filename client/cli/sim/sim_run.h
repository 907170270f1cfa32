// The flags of an offline run: its workload and its settings.
#pragma once

#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/frame/arguments.h"
#include "client/cli/frame/command.h"
#include "scheduler/simulator/offline_run.h"
#include "scheduler/simulator/trace_reader.h"

namespace waferline::cli {

// --trace, --format, ... and the generated kind.
std::vector<Flag> TraceFlags();
// The same with --config and what only offline runs have; shared by sim and sim sweep.
std::vector<Flag> WorkloadFlags();

// A usage error for flags that contradict each other or would have no effect.
absl::StatusOr<simulator::ReadTrace> ReadWorkload(const Arguments& arguments);
absl::StatusOr<simulator::OfflineSettings> ReadSettings(const Arguments& arguments);

// simulator::RunOffline with this process's clock. `progress` may be empty.
absl::StatusOr<simulator::OfflineResult> RunSim(
    const simulator::OfflineInput& input,
    const std::function<void(const simulator::Replay&)>& progress);

}  // namespace waferline::cli
