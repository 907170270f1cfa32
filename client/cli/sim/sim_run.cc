#include "client/cli/sim/sim_run.h"

#include <chrono>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/workload/workload.h"
#include "wafer_backend/base/latency_objectives.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

double WallSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

std::vector<Flag> SimFlags() {
  std::vector<Flag> flags = WorkloadFlags();
  flags.insert(flags.begin(), TextFlag("config", "FILE",
                                       "a fleet (models, hardware, scheduling, faults), or a "
                                       "server's configuration")
                                  .Required());
  flags.push_back(TextFlag("model", "NAME",
                           "model of the requests that name none; the first one if not given"));
  flags.push_back(IntegerFlag("repeat", "N",
                              "the requests N times, one after the other, with new prompts",
                              {1, 1'000'000})
                      .Default(1));
  flags.push_back(TextFlag("goodput", "LIMITS",
                           "count the requests within these limits, in ms: ttft:T,tpot:T,e2e:T"));
  return flags;
}

absl::StatusOr<simulator::OfflineSettings> ReadSettings(const Arguments& arguments) {
  simulator::OfflineSettings settings;
  settings.speed_up = arguments.Number("speed-up");
  settings.repeat = static_cast<uint32_t>(arguments.Integer("repeat"));
  settings.seed = static_cast<uint64_t>(arguments.Integer("seed"));
  if (arguments.Has("model")) settings.model = arguments.Text("model");
  settings.program_version = WAFERLINE_VERSION;
  if (arguments.Has("goodput")) {
    const auto objectives = ParseLatencyObjectives(arguments.Text("goodput"));
    if (!objectives.ok()) {
      return UsageError(absl::StrCat("--goodput: ", objectives.status().message()));
    }
    settings.objectives = *objectives;
  }
  return settings;
}

absl::StatusOr<simulator::OfflineResult> RunSim(
    const simulator::OfflineInput& input,
    const std::function<void(const simulator::Replay&)>& progress) {
  return simulator::RunOffline(input, {.wall_seconds = WallSeconds, .progress = progress});
}

}  // namespace waferline::cli
