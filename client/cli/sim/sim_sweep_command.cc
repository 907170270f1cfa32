// waferctl sim sweep: the same load through many variants of a fleet; sim merge: parts of a sweep
// that ran on several machines as one.
#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <memory>
#include <thread>

#include "client/cli/sim/run_journal.h"
#include "client/cli/sim/sim_commands.h"
#include "client/cli/sim/sim_run.h"
#include "client/cli/sim/sweep_report.h"
#include "client/cli/sim/sweep_variants.h"
#include "scheduler/engine/engine.h"
#include "scheduler/simulator/report_json.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

// What parts and a journal must agree on.
boost::json::object IdentityOf(const Arguments& arguments, const simulator::OfflineInput& input) {
  boost::json::array varied;
  for (const std::string& text : arguments.Texts("vary")) varied.emplace_back(text);
  return {{"config_hash", simulator::HashOf(input.config)},
          {"trace_hash", engine::DigestText(input.trace->hash)},
          {"vary", std::move(varied)},
          {"seed", input.settings.seed},
          {"repeat", input.settings.repeat},
          {"speed_up", arguments.Text("speed-up")},
          {"goodput", arguments.Has("goodput") ? arguments.Text("goodput") : ""},
          {"model", input.settings.model},
          {"version", input.settings.program_version}};
}

std::vector<Flag> PictureFlags() {
  return {OutputFlag("svg", "also draw the runs and their Pareto front"),
          OutputFlag("html", "also write the sweep as one page of HTML")};
}

SweepOutput OutputOf(const Arguments& arguments) {
  return {.json = arguments.json(),
          .svg = arguments.Has("svg") ? arguments.Text("svg") : "",
          .html = arguments.Has("html") ? arguments.Text("html") : ""};
}

// Variants that could not be run are results of the part like others: 'sim merge' fails for them.
absl::Status PutPart(const Arguments& arguments, const Part& part, SweepRuns runs) {
  const auto failed = std::count_if(runs.variants.begin(), runs.variants.end(),
                                    [](const Variant& variant) { return !variant.status.ok(); });
  if (failed > 0) {
    fprintf(stderr, "%td of %zu variants of this part could not be run; the part says why\n",
            failed, runs.variants.size());
  }
  return PutReport(arguments, PartJson(part, std::move(runs)));
}

// Before the runs: a usage error for an axis that reports have, but not those of this fleet. What
// the first requests give is enough for nearly all fields; a field that they do not give is looked
// for in the first variant's whole run.
absl::Status CheckAxesOf(const simulator::OfflineInput& input, const SweepAxes& axes,
                         const Variant& first) {
  constexpr size_t kRequests = 32;
  simulator::Trace begin = *input.trace;
  begin.requests.resize(std::min(kRequests, begin.requests.size()));
  simulator::OfflineInput look = input;
  look.files = {};
  auto config = WithOverrides(input.config, first.overrides);
  if (!config.ok()) return absl::OkStatus();  // the run says it
  look.config = *std::move(config);
  absl::Status status;
  for (const simulator::Trace* trace :
       {static_cast<const simulator::Trace*>(&begin), input.trace}) {
    look.trace = trace;
    const auto run = RunSim(look, {});
    if (!run.ok()) return absl::OkStatus();  // the same
    status = CheckAxes(axes, run->report);
    if (status.ok()) break;
    // The price of no token; another variant may have some.
    if (run->report.at("output_tokens").to_number<int64_t>() == 0) return absl::OkStatus();
  }
  return status;
}

absl::Status Sweep(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(std::vector<Variant> variants, VariantsOf(arguments.Texts("vary")));
  WL_ASSIGN_OR_RETURN(const Part part, PartOf(arguments));
  if (arguments.Has("part") &&
      (!arguments.json() || arguments.Has("svg") || arguments.Has("html"))) {
    return UsageError(
        "--part writes what 'sim merge' reads: give --json, and --svg and --html to sim merge");
  }
  const SweepAxes axes{arguments.Text("x"), arguments.Text("y")};
  WL_RETURN_IF_ERROR(CheckAxes(axes, simulator::EveryField(arguments.Has("goodput"))));
  WL_ASSIGN_OR_RETURN(const std::unique_ptr<SimInput> read, ReadSimInput(arguments));
  const boost::json::object identity = IdentityOf(arguments, read->input);
  std::unique_ptr<RunJournal> journal;
  if (arguments.Has("resume")) {
    WL_ASSIGN_OR_RETURN(journal, RunJournal::Open(arguments.Text("resume"), identity));
    if (journal->read() > 0) {
      fprintf(stderr, "%s: %zu runs are known\n", arguments.Text("resume").c_str(),
              journal->read());
    }
  }
  variants = OnlyPart(std::move(variants), part);
  if (!variants.empty()) {
    WL_RETURN_IF_ERROR(CheckAxesOf(read->input, axes, variants.front()));
  }
  WL_RETURN_IF_ERROR(RunAll(read->input, arguments.Integer("threads"), journal.get(), &variants));
  SweepRuns runs{identity, axes, std::move(variants)};
  if (arguments.Has("part")) return PutPart(arguments, part, std::move(runs));
  SweepOutput output = OutputOf(arguments);
  if (!arguments.operands().empty()) output.out = arguments.operand(0);
  return PutSweep(output, std::move(runs));
}

absl::Status Merge(const Arguments& arguments) {
  if (arguments.operands().empty()) {
    return UsageError("sim merge: FILE... is missing, the parts as 'sim sweep --part' wrote them");
  }
  WL_ASSIGN_OR_RETURN(SweepRuns merged, MergeParts(arguments.operands()));
  if (arguments.Has("x")) merged.axes.x = arguments.Text("x");
  if (arguments.Has("y")) merged.axes.y = arguments.Text("y");
  WL_RETURN_IF_ERROR(CheckAxes(merged.axes, simulator::EveryField(true)));
  return PutSweep(OutputOf(arguments), std::move(merged));
}

}  // namespace

Command SimSweepCommand() {
  std::vector<Flag> flags = SimFlags();
  flags.push_back(
      TextFlag("vary", "PATH=V1,V2,...",
               "a field of the fleet and its values, as models.0.prefill.workers=1,2,4 or "
               "LOW:HIGH[:STEP]; of several fields all combinations are run")
          .Repeatable()
          .Required());
  flags.push_back(TextFlag("x", "FIELD", "of the report; \"-FIELD\": larger is better")
                      .Default("usd_per_million_output_tokens"));
  flags.push_back(TextFlag("y", "FIELD", "the same for the other axis").Default("ttft_ms.p99"));
  for (Flag& flag : PictureFlags()) flags.push_back(std::move(flag));
  flags.push_back(IntegerFlag("threads", "N", "runs at a time", {1, 1024})
                      .Default(std::max(1u, std::thread::hardware_concurrency())));
  flags.push_back(
      TextFlag("part", "I/N",
               "run each N-th variant from the I-th on, I from 0 to N - 1: 0/2 and 1/2 are all; "
               "'sim merge' joins the parts"));
  flags.push_back(
      TextFlag("resume", "FILE", "keep each run's result there, and take from it what is known"));
  return {.words = "sim sweep",
          .summary = "Vary fields of the fleet and show which variants are best",
          .operands = {ReportOperand()},
          .flags = std::move(flags),
          .examples = {"waferctl sim sweep --config deploy/config/fleets/conversation-70b.yaml "
                       "--arrivals poisson:rate=20 --vary models.0.prefill.workers=2,4,8"},
          .run = Sweep};
}

Command SimMergeCommand() {
  std::vector<Flag> flags = PictureFlags();
  flags.push_back(TextFlag("x", "FIELD", "instead of the parts' own"));
  flags.push_back(TextFlag("y", "FIELD", "the same for the other axis"));
  return {.words = "sim merge",
          .summary = "Join the parts of a sweep that ran on several machines",
          .operands = {{"FILE...", "all parts, as 'sim sweep --part I/N --json' wrote them"}},
          .flags = std::move(flags),
          .examples = {"waferctl sim merge part-*.json"},
          .run = Merge};
}

}  // namespace waferline::cli
