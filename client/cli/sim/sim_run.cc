#include "client/cli/sim/sim_run.h"

#include <sys/resource.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "scheduler/fleet/config/fleet_config.h"
#include "scheduler/simulator/both.h"
#include "scheduler/simulator/generated_trace.h"
#include "scheduler/simulator/offline_cloud.h"
#include "scheduler/simulator/report_json.h"
#include "scheduler/simulator/trace_reader.h"
#include "scheduler/simulator/writers.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

constexpr int kSlices = 400;  // of a run, between which progress is shown

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double PeakMemoryBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024;
}

std::string HashText(const std::string& text) {
  uint64_t hash = 0;
  for (const char c : text) hash = Mix(hash ^ static_cast<unsigned char>(c));
  char out[17];
  std::snprintf(out, sizeof(out), "%016lx", static_cast<unsigned long>(hash));
  return out;
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

absl::StatusOr<SimWorkload> ReadTraceFile(const Arguments& arguments) {
  WL_RETURN_IF_ERROR(RefuseFlags(
      arguments,
      {"arrivals", "prompt", "output", "count", "prefix-share", "prefixes", "prefix-tokens"},
      "--arrivals, and with --trace there are none"));
  WL_ASSIGN_OR_RETURN(const std::string text, ReadFile(arguments.Text("trace")));
  simulator::ReadOptions options;
  options.skip_bad = arguments.On("skip-bad");
  options.block_tokens = static_cast<uint32_t>(arguments.Integer("block-tokens"));
  if (arguments.Has("format")) {
    const std::string& format = arguments.Text("format");
    if (format == "mooncake") {
      options.format = simulator::TraceFormat::kMooncake;
    } else if (format == "azure") {
      options.format = simulator::TraceFormat::kAzure;
    } else if (format == "jsonl") {
      options.format = simulator::TraceFormat::kJsonl;
    } else {
      return UsageError("--format is mooncake, azure or jsonl");
    }
  } else {
    const auto format = simulator::GuessFormat(text);
    if (!format.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(arguments.Text("trace"), ": ", format.status().message()));
    }
    options.format = *format;
  }
  if (options.format == simulator::TraceFormat::kAzure) {
    WL_RETURN_IF_ERROR(
        RefuseFlags(arguments, {"block-tokens"}, "blocks, which this format does not know"));
  }
  absl::StatusOr<simulator::ReadTrace> read = simulator::ParseTrace(text, options);
  if (!read.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(arguments.Text("trace"), ": ", read.status().message()));
  }
  return SimWorkload{std::move(read->trace), read->skipped, std::move(read->complaints)};
}

absl::StatusOr<SimWorkload> GenerateWorkload(const Arguments& arguments) {
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
  return SimWorkload{*std::move(trace), 0, {}};
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
  flags.insert(flags.begin(), TextFlag("config", "FLEET.yaml",
                                       "the fleet: models, their hardware, scheduling, faults"));
  flags.push_back(IntegerFlag("repeat", "N",
                              "the workload N times, one after the other, with new prompts", 1, 1,
                              1'000'000));
  flags.push_back(TextFlag("goodput", "SPEC",
                           "objectives in ms, of which goodput is counted: ttft:T,tpot:T,e2e:T"));
  return flags;
}

absl::StatusOr<SimWorkload> ReadWorkload(const Arguments& arguments) {
  if (arguments.Has("trace") == arguments.Has("arrivals")) {
    return UsageError("either --trace FILE or --arrivals SPEC is needed");
  }
  return arguments.Has("trace") ? ReadTraceFile(arguments) : GenerateWorkload(arguments);
}

absl::StatusOr<SimSettings> ReadSettings(const Arguments& arguments) {
  if (!arguments.Has("config")) return UsageError("--config is needed: the fleet to run on");
  SimSettings settings;
  settings.speed_up = arguments.Number("speed-up");
  settings.repeat = static_cast<uint32_t>(arguments.Integer("repeat"));
  settings.seed = static_cast<uint64_t>(arguments.Integer("seed"));
  if (!arguments.Has("goodput")) return settings;
  std::istringstream items(arguments.Text("goodput"));
  for (std::string item; std::getline(items, item, ',');) {
    const size_t colon = item.find(':');
    const std::string name = item.substr(0, colon);
    double ms = 0;
    const char* begin = item.data() + std::min(item.size(), colon + 1);
    const auto [end, error] = std::from_chars(begin, item.data() + item.size(), ms);
    if (colon == std::string::npos || error != std::errc() || end != item.data() + item.size() ||
        !(ms > 0 && ms < 1e9)) {
      return UsageError("--goodput: \"" + item + "\" is not NAME:MILLISECONDS");
    }
    simulator::Objectives& objectives = settings.objectives;
    Nanoseconds* const bound = name == "ttft"   ? &objectives.ttft
                               : name == "tpot" ? &objectives.tpot
                               : name == "e2e"  ? &objectives.e2e
                                                : nullptr;
    if (bound == nullptr) {
      return UsageError("--goodput: \"" + name + "\" is none of ttft, tpot, e2e");
    }
    if (*bound > Nanoseconds()) return UsageError("--goodput: " + name + " stands twice");
    *bound = Nanoseconds(std::max<int64_t>(1, std::llround(ms * 1e6)));
  }
  return settings;
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::error_code error;
  if (!in) return absl::NotFoundError("cannot read " + path);
  if (std::filesystem::is_directory(path, error)) {
    return absl::InvalidArgumentError(path + " is a folder");
  }
  std::ostringstream text;
  text << in.rdbuf();
  if (!in.good() && !in.eof()) return absl::UnavailableError("cannot read all of " + path);
  return std::move(text).str();
}

absl::Status WriteFile(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  return out ? absl::OkStatus() : absl::UnavailableError("cannot write " + path);
}

absl::StatusOr<SimRun> RunSim(const std::string& name, const std::string& config,
                              const simulator::Trace& trace, const SimSettings& settings,
                              const SimFiles& files,
                              const std::function<void(const simulator::Replay&)>& shown) {
  const double begin = Seconds();
  WL_ASSIGN_OR_RETURN(const fleet::FleetConfig fleet, fleet::ParseFleetConfig(name, config));
  WL_ASSIGN_OR_RETURN(const auto cloud, simulator::OfflineCloud::Build(fleet));
  simulator::ReplayOptions options = cloud->Options();
  options.speed_up = settings.speed_up;
  options.repeat = settings.repeat;
  options.seed = settings.seed;
  options.objectives = settings.objectives;

  std::ofstream csv, timeline;
  std::unique_ptr<engine::EngineObserver> requests, perfetto, both;
  const auto open = [](const std::string& path, std::ofstream* out) {
    out->open(path);
    return *out ? absl::OkStatus() : absl::UnavailableError("cannot write " + path);
  };
  if (!files.requests_csv.empty()) {
    WL_RETURN_IF_ERROR(open(files.requests_csv, &csv));
    requests = std::make_unique<simulator::RequestsCsv>(&csv);
    options.observer = requests.get();
  }
  const std::vector<engine::LaneSpec> lanes = cloud->Lanes();
  if (!files.timeline.empty()) {
    WL_RETURN_IF_ERROR(open(files.timeline, &timeline));
    perfetto = std::make_unique<simulator::PerfettoTimeline>(&timeline, cloud->timeline(), lanes);
    if (requests) both = std::make_unique<simulator::Both>(requests.get(), perfetto.get());
    options.observer = both ? both.get() : perfetto.get();
  }

  WL_ASSIGN_OR_RETURN(const auto run,
                      simulator::Replay::Create(options, cloud->timeline(), lanes, &trace));
  const double whole_ns = trace.span.as_double() * settings.repeat / settings.speed_up;
  const Nanoseconds slice(std::max<int64_t>(1, std::llround(whole_ns / kSlices)));
  const double started = Seconds();
  while (run->Advance(slice)) {
    if (shown) shown(*run);
  }
  const double ended = Seconds();
  SimRun out;
  out.raw = run->MakeReport(cloud->Power());
  perfetto.reset();
  for (auto& [file, path] : {std::pair(&csv, &files.requests_csv), {&timeline, &files.timeline}}) {
    if (!file->is_open()) continue;
    file->close();
    if (!*file) return absl::UnavailableError("cannot write " + *path);
  }
  out.report = simulator::ToJson(out.raw);
  out.report["receipt"].as_object()["config_hash"] = HashText(config);
  out.report["receipt"].as_object()["version"] = WAFERLINE_VERSION;
  boost::json::array labels;
  for (const std::string& label : cloud->Labels()) labels.emplace_back(label);
  out.report["fleet"] = std::move(labels);
  out.report["run"] = {{"simulation_seconds", ended - started},
                       {"seconds", Seconds() - begin},
                       {"emulated_over_wall", out.raw.seconds() / std::max(1e-9, ended - started)},
                       {"peak_memory_bytes", PeakMemoryBytes()}};
  return out;
}

}  // namespace waferline::cli
