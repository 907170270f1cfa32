#include "client/cli/sim/sim_run.h"

#include <chrono>
#include <initializer_list>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "scheduler/simulator/generated_trace.h"
#include "wafer_backend/base/latency_objectives.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

double WallSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

absl::Status RefuseFlags(const Arguments& arguments, std::initializer_list<const char*> flags,
                         const std::string& without) {
  for (const char* flag : flags) {
    if (arguments.Has(flag)) {
      return UsageError(absl::StrCat("--", flag, " has no effect without ", without));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<simulator::ReadTrace> ReadTraceFile(const Arguments& arguments) {
  WL_RETURN_IF_ERROR(RefuseFlags(
      arguments,
      {"arrivals", "prompt", "output", "count", "prefix-share", "prefixes", "prefix-tokens"},
      "--arrivals, and with --trace there are none"));
  simulator::ReadOptions options;
  options.skip_bad = arguments.On("skip-bad");
  options.block_tokens = static_cast<uint32_t>(arguments.Integer("block-tokens"));
  if (arguments.Has("format")) {
    const auto format = simulator::ParseTraceFormat(arguments.Text("format"));
    if (!format.ok()) return UsageError(absl::StrCat("--format: ", format.status().message()));
    options.format = *format;
  }
  WL_ASSIGN_OR_RETURN(simulator::ReadTrace read,
                      simulator::LoadTrace(arguments.Text("trace"), options));
  if (read.trace.block_tokens == 0) {
    WL_RETURN_IF_ERROR(
        RefuseFlags(arguments, {"block-tokens"}, "blocks (hash_ids, blocks) in the trace"));
  }
  return read;
}

absl::StatusOr<simulator::ReadTrace> GenerateWorkload(const Arguments& arguments) {
  WL_RETURN_IF_ERROR(RefuseFlags(arguments, {"format", "skip-bad"}, "--trace"));
  simulator::Workload workload;
  const auto named = [](const char* flag, const absl::Status& status) {
    return UsageError(absl::StrCat("--", flag, ": ", status.message()));
  };
  const auto arrivals = simulator::ParseArrivals(arguments.Text("arrivals"));
  if (!arrivals.ok()) return named("arrivals", arrivals.status());
  const auto prompt = simulator::ParseLengths(arguments.Text("prompt"));
  if (!prompt.ok()) return named("prompt", prompt.status());
  const auto output = simulator::ParseLengths(arguments.Text("output"));
  if (!output.ok()) return named("output", output.status());
  workload.arrivals = *arrivals;
  workload.prompt = *prompt;
  workload.output = *output;
  workload.requests = static_cast<uint64_t>(arguments.Integer("count"));
  workload.prefix_share = arguments.Number("prefix-share");
  workload.prefixes = static_cast<uint32_t>(arguments.Integer("prefixes"));
  workload.prefix_tokens = static_cast<uint32_t>(arguments.Integer("prefix-tokens"));
  workload.block_tokens = static_cast<uint32_t>(arguments.Integer("block-tokens"));
  workload.seed = static_cast<uint64_t>(arguments.Integer("seed"));
  if (workload.prefix_share == 0) {
    WL_RETURN_IF_ERROR(
        RefuseFlags(arguments, {"prefixes", "prefix-tokens", "block-tokens"}, "--prefix-share"));
  }
  absl::StatusOr<simulator::Trace> trace = simulator::Generate(workload);
  if (!trace.ok()) return UsageError(std::string(trace.status().message()));
  return simulator::ReadTrace{.trace = *std::move(trace)};
}

}  // namespace

std::vector<Flag> TraceFlags() {
  return {
      TextFlag("trace", "FILE", "requests to replay"),
      TextFlag("format", "NAME", "mooncake, azure or jsonl (else seen from the first line)"),
      IntegerFlag("block-tokens", "N", "tokens that one block id of the trace stands for", 512, 1,
                  1 << 20),
      Switch("skip-bad", "leave bad lines of the trace out, and count them"),
      TextFlag("arrivals", "SPEC",
               "generate requests instead: constant:rate=R, poisson:rate=R, gamma:rate=R,cv=C, "
               "weibull:rate=R,shape=K, diurnal:rate=R,swing=S,period=SECONDS"),
      IntegerFlag("count", "N", "how many are generated", 10000, 1, 100'000'000),
      TextFlag("prompt", "SPEC",
               "prompt tokens: constant:N, uniform:mean=M, exponential:mean=M,max=X, "
               "lognormal:mean=M,sigma=S,max=X",
               "lognormal:mean=1000,sigma=1,max=100000"),
      TextFlag("output", "SPEC", "generated tokens, likewise", "exponential:mean=300,max=4000"),
      NumberFlag("prefix-share", "X", "share of prompts that begin with a common prefix", 0, 0, 1),
      IntegerFlag("prefixes", "N", "how many common prefixes there are", 16, 1, 1 << 20),
      IntegerFlag("prefix-tokens", "N", "length of a common prefix", 1024, 1, 1 << 24),
      NumberFlag("speed-up", "X", "arrivals come X times as densely", 1, 1e-6, 1e6),
      IntegerFlag("seed", "S", "of everything random", 0, 0, INT64_MAX),
  };
}

std::vector<Flag> WorkloadFlags() {
  std::vector<Flag> flags = TraceFlags();
  flags.insert(
      flags.begin(),
      TextFlag("config", "FLEET.yaml",
               "a fleet (models, hardware, scheduling, faults), or a server's configuration"));
  flags.push_back(
      TextFlag("model", "NAME", "for requests that name none; the configuration's first one"));
  flags.push_back(IntegerFlag("repeat", "N",
                              "the workload N times, one after the other, with new prompts", 1, 1,
                              1'000'000));
  flags.push_back(TextFlag("goodput", "SPEC",
                           "objectives in ms, of which goodput is counted: ttft:T,tpot:T,e2e:T"));
  return flags;
}

absl::StatusOr<simulator::ReadTrace> ReadWorkload(const Arguments& arguments) {
  if (arguments.Has("trace") == arguments.Has("arrivals")) {
    return UsageError("either --trace FILE or --arrivals SPEC is needed");
  }
  return arguments.Has("trace") ? ReadTraceFile(arguments) : GenerateWorkload(arguments);
}

absl::StatusOr<simulator::OfflineSettings> ReadSettings(const Arguments& arguments) {
  if (!arguments.Has("config")) return UsageError("--config is needed: the fleet to run on");
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
