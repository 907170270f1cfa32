#include "client/cli/sim/sim_run.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/output.h"
#include "client/cli/workload/workload.h"
#include "scheduler/simulator/report_json.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/latency_objectives.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

absl::StatusOr<simulator::OfflineSettings> ReadSettings(const Arguments& arguments) {
  simulator::OfflineSettings settings;
  settings.speed_up = arguments.Number("speed-up");
  settings.repeat = static_cast<uint32_t>(arguments.Integer("repeat"));
  settings.seed = static_cast<uint64_t>(arguments.Integer("seed"));
  if (arguments.Has("model") && arguments.Has("mix")) {
    return UsageError("--model has no effect with --mix, which names a model for each request");
  }
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

}  // namespace

double WallSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void InParallel(size_t count, size_t threads, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next{0};
  const auto take = [&] {
    for (size_t i = next++; i < count; i = next++) work(i);
  };
  std::vector<std::thread> others;
  for (size_t t = 1; t < std::min(threads, count); ++t) others.emplace_back(take);
  take();
  for (std::thread& thread : others) thread.join();
}

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

Operand ReportOperand() {
  return {"[OUT]", "with --json: the file that gets the report, instead of stdout"};
}

absl::StatusOr<std::unique_ptr<SimInput>> ReadSimInput(const Arguments& arguments) {
  if (!arguments.operands().empty() && !arguments.json()) {
    return UsageError("OUT is written only with --json; give --json too");
  }
  return ReadSimRun(arguments);
}

absl::StatusOr<std::unique_ptr<SimInput>> ReadSimRun(const Arguments& arguments) {
  auto read = std::make_unique<SimInput>();
  WL_ASSIGN_OR_RETURN(read->input.settings, ReadSettings(arguments));
  WL_ASSIGN_OR_RETURN(read->workload, ReadWorkload(arguments));
  read->input.config_name = arguments.Text("config");
  WL_ASSIGN_OR_RETURN(read->input.config, ReadFile(read->input.config_name, kMaxConfigBytes));
  read->input.trace = &read->workload.trace;
  return read;
}

absl::StatusOr<simulator::OfflineResult> RunSim(
    const simulator::OfflineInput& input,
    const std::function<void(const simulator::Replay&)>& progress) {
  return simulator::RunOffline(input, {.wall_seconds = WallSeconds, .progress = progress});
}

absl::Status PutReport(const Arguments& arguments, const boost::json::object& report) {
  const std::string document = simulator::Pretty(report);
  if (!arguments.operands().empty()) return WriteFile(arguments.operand(0), document);
  PrintText(document);
  return absl::OkStatus();
}

}  // namespace waferline::cli
