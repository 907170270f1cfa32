// One offline run from the flags of a command: its workload, its fleet, and what it came to.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/frame/arguments.h"
#include "client/cli/frame/command.h"
#include "scheduler/simulator/replay.h"
#include "scheduler/simulator/trace.h"

namespace waferline::cli {

// --trace, --format, ... and the generated kind.
std::vector<Flag> TraceFlags();
// The same with --config and what only offline runs have; shared by sim and sim sweep.
std::vector<Flag> WorkloadFlags();

struct SimWorkload {
  simulator::Trace trace;
  uint64_t skipped = 0;
  std::vector<std::string> complaints;
};
// A usage error for flags that contradict each other or would have no effect.
absl::StatusOr<SimWorkload> ReadWorkload(const Arguments& arguments);

struct SimSettings {
  double speed_up = 1;
  uint32_t repeat = 1;
  uint64_t seed = 0;
  simulator::Objectives objectives;
};
absl::StatusOr<SimSettings> ReadSettings(const Arguments& arguments);

absl::StatusOr<std::string> ReadFile(const std::string& path);
// Replaces the file. Unavailable if it cannot be written.
absl::Status WriteFile(const std::string& path, const std::string& text);

struct SimFiles {
  std::string requests_csv;  // "": not wanted
  std::string timeline;
};
struct SimRun {
  boost::json::object report;  // with its receipt and what the run itself took
  simulator::Report raw;
};
// `config` is the text of the fleet file `name`. `shown` hears requests offered and of how many,
// now and then; may be empty.
absl::StatusOr<SimRun> RunSim(const std::string& name, const std::string& config,
                              const simulator::Trace& trace, const SimSettings& settings,
                              const SimFiles& files,
                              const std::function<void(const simulator::Replay&)>& shown);

}  // namespace waferline::cli
