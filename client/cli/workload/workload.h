// The requests that `sim` and `bench replay` run: read from a trace file or generated, by the same
// flags. Values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/simulator/trace_reader.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/command_line/command.h"

namespace waferline::cli {

// --trace, --format, ... and what generates requests.
std::vector<Flag> WorkloadFlags();

// A usage error for flags that contradict each other or would have no effect. Complaints are also
// printed on stderr.
absl::StatusOr<simulator::ReadTrace> ReadWorkload(const Arguments& arguments);

// What --arrivals and its flags generate, `count` requests instead of --count. Usage errors.
absl::StatusOr<simulator::ReadTrace> GenerateWorkload(const Arguments& arguments, uint64_t count);

}  // namespace waferline::cli
