// The flags of an offline run: its workload and its settings.
#pragma once

#include <boost/json.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/simulator/offline_run.h"
#include "scheduler/simulator/trace_reader.h"
#include "wafer_backend/base/command_line/arguments.h"

namespace waferline::cli {

// --config, the workload's flags, and what only offline runs have; shared by sim and sim sweep.
std::vector<Flag> SimFlags();

// [OUT], which is written only with --json.
Operand ReportOperand();

// What these flags name. Not copied or moved: `input` points to the workload. A usage error for
// limits that cannot be read, and for OUT without --json.
struct SimInput {
  simulator::ReadTrace workload;
  simulator::OfflineInput input;
};
absl::StatusOr<std::unique_ptr<SimInput>> ReadSimInput(const Arguments& arguments);
// The same for a command without OUT.
absl::StatusOr<std::unique_ptr<SimInput>> ReadSimRun(const Arguments& arguments);

// Wall-clock seconds since some fixed instant.
double WallSeconds();

// work(0) ... work(count - 1) on `threads` threads, this one included; returns when all are done.
// `work` must be safe to call from several threads.
void InParallel(size_t count, size_t threads, const std::function<void(size_t)>& work);

// simulator::RunOffline with this process's clock. `progress` may be empty.
absl::StatusOr<simulator::OfflineResult> RunSim(
    const simulator::OfflineInput& input,
    const std::function<void(const simulator::Replay&)>& progress);

// The result, as --json asks for it: to OUT, or to stdout.
absl::Status PutReport(const Arguments& arguments, const boost::json::object& report);

}  // namespace waferline::cli
