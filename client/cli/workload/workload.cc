#include "client/cli/workload/workload.h"

#include <cstdio>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "scheduler/simulator/generated_trace.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

absl::StatusOr<simulator::ReadTrace> ReadTraceFile(const Arguments& arguments) {
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
  if (read.trace.block_tokens == 0 && arguments.Has("block-tokens")) {
    return UsageError("--block-tokens has no effect, the trace has no blocks (hash_ids, blocks)");
  }
  return read;
}

}  // namespace

absl::StatusOr<simulator::ReadTrace> GenerateWorkload(const Arguments& arguments, uint64_t count) {
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
  workload.requests = count;
  workload.prefix_share = arguments.Number("prefix-share");
  workload.prefixes = static_cast<uint32_t>(arguments.Integer("prefixes"));
  workload.prefix_tokens = static_cast<uint32_t>(arguments.Integer("prefix-tokens"));
  workload.block_tokens = static_cast<uint32_t>(arguments.Integer("block-tokens"));
  if (arguments.Has("mix")) {
    auto mix = simulator::ParseMix(arguments.Text("mix"));
    if (!mix.ok()) return named("mix", mix.status());
    workload.mix = *std::move(mix);
  }
  workload.seed = static_cast<uint64_t>(arguments.Integer("seed"));
  if (workload.prefix_share == 0 && arguments.Has("block-tokens")) {
    return UsageError("--block-tokens has no effect without --trace or --prefix-share");
  }
  absl::StatusOr<simulator::Trace> trace = simulator::Generate(workload);
  if (!trace.ok()) return UsageError(std::string(trace.status().message()));
  return simulator::ReadTrace{.trace = *std::move(trace)};
}

std::vector<Flag> WorkloadFlags() {
  const std::string arrivals = "arrivals";
  const std::string share = "prefix-share";
  return {
      TextFlag("trace", "FILE", "the requests to replay; or --arrivals"),
      ChoiceFlag("format", "NAME", "format of the trace; recognised by its first line if not given",
                 {"mooncake", "azure", "jsonl"})
          .With("trace"),
      Switch("skip-bad", "leave out bad lines of the trace, and count them").With("trace"),
      TextFlag(arrivals, "SPEC",
               "generate requests: constant:rate=R, poisson:rate=R, gamma:rate=R,cv=C, "
               "weibull:rate=R,shape=K or diurnal:rate=R,swing=S,period=SECONDS"),
      IntegerFlag("count", "N", "how many requests", {1, 100'000'000})
          .Default(10000)
          .With(arrivals),
      TextFlag("prompt", "SPEC",
               "tokens of a prompt: constant:N, uniform:mean=M, exponential:mean=M,max=X or "
               "lognormal:mean=M,sigma=S,max=X")
          .Default("lognormal:mean=1000,sigma=1,max=100000")
          .With(arrivals),
      TextFlag("output", "SPEC", "tokens of an answer, in the same form")
          .Default("exponential:mean=300,max=4000")
          .With(arrivals),
      TextFlag("mix", "MODEL=WEIGHT,...",
               "which models the requests ask for, how often; the first one if not given")
          .With(arrivals),
      NumberFlag(share, "X", "share of the prompts that begin with a common prefix", {0, 1})
          .Default(0)
          .With(arrivals),
      IntegerFlag("prefixes", "N", "how many common prefixes there are", {1, 1 << 20})
          .Default(16)
          .With(share),
      IntegerFlag("prefix-tokens", "N", "tokens of a common prefix", {1, 1 << 24})
          .Default(1024)
          .With(share),
      IntegerFlag("block-tokens", "N",
                  "tokens of one block: those that a block id of the trace stands for, or into "
                  "which common prefixes are cut",
                  {1, 1 << 20})
          .Default(512),
      NumberFlag("speed-up", "X", "arrivals come X times as fast", {1e-6, 1e6}).Default(1),
      IntegerFlag("seed", "N", "seed of everything random", {}).Default(0),
  };
}

absl::StatusOr<simulator::ReadTrace> ReadWorkload(const Arguments& arguments) {
  if (arguments.Has("trace") == arguments.Has("arrivals")) {
    return UsageError("give --trace FILE or --arrivals SPEC, one of the two");
  }
  absl::StatusOr<simulator::ReadTrace> loaded =
      arguments.Has("trace")
          ? ReadTraceFile(arguments)
          : GenerateWorkload(arguments, static_cast<uint64_t>(arguments.Integer("count")));
  if (!loaded.ok()) return loaded.status();
  for (const std::string& complaint : loaded->complaints) {
    fprintf(stderr, "left out: %s\n", complaint.c_str());
  }
  return loaded;
}

}  // namespace waferline::cli
