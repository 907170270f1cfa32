// waferctl sim search: the cheapest variant of a fleet that holds an SLO under a load.
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/output.h"
#include "client/cli/frame/progress.h"
#include "client/cli/sim/fleet_finder.h"
#include "client/cli/sim/search_report.h"
#include "client/cli/sim/sim_commands.h"
#include "client/cli/sim/sim_run.h"
#include "client/cli/workload/workload.h"
#include "scheduler/engine/snapshot.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

constexpr NamedValue<Minimise> kMinimised[] = {
    {"cost", Minimise::kCost}, {"watts", Minimise::kWatts}, {"systems", Minimise::kSystems}};

absl::Status Named(const char* flag, const absl::Status& status) {
  return UsageError(absl::StrCat("--", flag, ": ", status.message()));
}

absl::StatusOr<FinderInput> ReadFinderInput(const Arguments& arguments, const SimInput& read) {
  if (arguments.Has("goodput")) return UsageError("--goodput has no effect here; use --slo");
  FinderInput input{.run = read.input};
  auto slo = search::ParseSlo(arguments.Text("slo"));
  if (!slo.ok()) return Named("slo", slo.status());
  input.slo = *std::move(slo);
  auto axes = search::ParseAxes(arguments.Texts("vary"));
  if (!axes.ok()) return Named("vary", axes.status());
  input.axes = *std::move(axes);
  input.minimise = *ValueNamed(kMinimised, arguments.Text("minimise"));
  input.options = {.at_a_time = static_cast<size_t>(arguments.Integer("at-a-time")),
                   .exhaustive = arguments.On("exhaustive")};
  return input;
}

// The load of `read` with at least --confirm requests: generated, or the trace again and again.
// False: it has as many.
absl::StatusOr<bool> MakeLonger(const Arguments& arguments, const SimInput& read,
                                SimInput* longer) {
  const auto wanted = static_cast<uint64_t>(arguments.Integer("confirm"));
  const uint64_t each = read.workload.trace.requests.size();
  if (each * read.input.settings.repeat >= wanted) return false;
  longer->input = read.input;
  if (arguments.Has("trace")) {
    longer->input.settings.repeat = static_cast<uint32_t>((wanted + each - 1) / each);
    return true;
  }
  WL_ASSIGN_OR_RETURN(longer->workload, GenerateWorkload(arguments, wanted));
  longer->input.settings.repeat = 1;
  longer->input.trace = &longer->workload.trace;
  return true;
}

// What a journal must agree on.
boost::json::object IdentityOf(const Arguments& arguments, const FinderInput& input) {
  const simulator::OfflineSettings& settings = input.run.settings;
  return {{"config_hash", simulator::HashOf(input.run.config)},
          {"trace_hash", engine::DigestText(input.run.trace->hash)},
          {"slo", arguments.Text("slo")},
          {"seed", settings.seed},
          {"repeat", settings.repeat},
          {"speed_up", arguments.Text("speed-up")},
          {"model", settings.model},
          {"version", settings.program_version}};
}

absl::Status SearchFleets(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const std::unique_ptr<SimInput> read, ReadSimInput(arguments));
  WL_ASSIGN_OR_RETURN(FinderInput input, ReadFinderInput(arguments, *read));
  SimInput longer;
  WL_ASSIGN_OR_RETURN(const bool too_short, MakeLonger(arguments, *read, &longer));
  if (too_short) input.longer = longer.input;
  std::unique_ptr<RunJournal> journal;
  if (arguments.Has("resume")) {
    WL_ASSIGN_OR_RETURN(journal,
                        RunJournal::Open(arguments.Text("resume"), IdentityOf(arguments, input)));
    if (journal->read() > 0) {
      fprintf(stderr, "%s: %zu runs are known\n", arguments.Text("resume").c_str(),
              journal->read());
    }
    input.journal = journal.get();
  }
  absl::StatusOr<FoundFleet> found;
  {
    Progress progress("runs", 0);
    int64_t runs = 0;
    input.progress = [&](const std::string& note) { progress.Show(++runs, note); };
    found = FindFleet(input);
  }
  WL_RETURN_IF_ERROR(found.status());
  if (arguments.Has("html")) {
    WL_RETURN_IF_ERROR(WriteFile(arguments.Text("html"), SearchPage(input, *found)));
  }
  if (arguments.json()) {
    WL_RETURN_IF_ERROR(PutReport(arguments, SearchJson(input, *found)));
  } else {
    PrintText(SearchText(input, *found));
  }
  if (found->result.best) return absl::OkStatus();
  return absl::FailedPreconditionError("no variant holds the SLO");
}

}  // namespace

Command SimSearchCommand() {
  std::vector<Flag> flags = SimFlags();
  flags.push_back(TextFlag("slo", "TERMS",
                           "what must hold of all requests offered: ttft, tpot or e2e, a "
                           "percentile and a time, as ttft:p99<500ms,tpot:p99<5ms")
                      .Required());
  flags.push_back(TextFlag("vary", "PATH=LOW:HIGH",
                           "a field of the fleet and its range LOW:HIGH[:STEP], of which more is "
                           "more machine; or values V1,V2,... without an order")
                      .Repeatable()
                      .Required());
  flags.push_back(ChoiceFlag("minimise", "WHAT",
                             "$ an hour, watts at work, or how many wafers and accelerators",
                             {"cost", "watts", "systems"})
                      .Default("cost"));
  flags.push_back(Switch("exhaustive", "infer nothing from larger fleets that failed"));
  flags.push_back(IntegerFlag("confirm", "N",
                              "find the answer's rate once more over so many requests, if the "
                              "load has fewer; 0: do not",
                              {0, 10'000'000})
                      .Default(20000));
  flags.push_back(IntegerFlag("at-a-time", "N", "variants tried at a time", {1, 256}).Default(2));
  flags.push_back(
      TextFlag("resume", "FILE", "keep each run's result there, and take from it what is known"));
  flags.push_back(OutputFlag("html", "also write a report with pictures"));
  return {.words = "sim search",
          .summary = "Find the cheapest fleet that holds an SLO",
          .operands = {ReportOperand()},
          .flags = std::move(flags),
          .examples = {"waferctl sim search --config deploy/config/fleets/conversation-70b.yaml "
                       "--arrivals poisson:rate=20 --slo 'ttft:p99<2s,tpot:p99<5ms' --vary "
                       "models.0.prefill.workers=1:16 --vary "
                       "models.0.decode.0.wafers_per_unit=5:12"},
          .run = SearchFleets};
}

}  // namespace waferline::cli
