// waferctl wafer fabric: one collective on the simulated mesh, next to its closed formula.
#include <boost/json.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "client/cli/frame/output.h"
#include "client/cli/wafer/wafer_commands.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/fabric/collective.h"

namespace waferline::cli {
namespace {

// "128", or "762x1172": columns and rows.
absl::Status ReadGrid(const std::string& text, fabric::CollectiveSize* size) {
  const std::vector<std::string> sides = absl::StrSplit(text, 'x');
  if (sides.size() <= 2 && absl::SimpleAtoi(sides[0], &size->columns) &&
      absl::SimpleAtoi(sides.back(), &size->row_count)) {
    return absl::OkStatus();
  }
  return UsageError("--grid is \"" + text + "\", must be a number of cores, or COLUMNSxROWS");
}

absl::Status RunFabric(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const fabric::Collective* collective,
                      fabric::FindCollective(arguments.Text("collective")));
  fabric::CollectiveSize size{.length = static_cast<int>(arguments.Integer("length")),
                              .ramp_cycles = static_cast<int>(arguments.Integer("ramp"))};
  WL_RETURN_IF_ERROR(ReadGrid(arguments.Text("grid"), &size));
  const int threads = static_cast<int>(arguments.Integer("threads"));
  const auto begin = std::chrono::steady_clock::now();
  WL_ASSIGN_OR_RETURN(const fabric::CollectiveRun run,
                      fabric::RunCollective(*collective, size, threads));
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;
  const double cycles = static_cast<double>(run.result.cycles);
  const double error_percent = 100 * (run.formula_cycles / cycles - 1);
  const double hops = static_cast<double>(run.result.wavelet_hops);
  const double hops_per_second = hops / wall.count();
  // Of what all links could carry in this many cycles, a wavelet each way and cycle.
  const double links = 2.0 * (2.0 * size.tiles() - size.columns - size.rows());
  const double links_used = hops / (links * cycles);
  if (arguments.json()) {
    const boost::json::object out = {{"collective", std::string(collective->name)},
                                     {"columns", size.columns},
                                     {"rows", size.rows()},
                                     {"threads", threads},
                                     {"length", size.length},
                                     {"cycles", run.result.cycles},
                                     {"formula_cycles", run.formula_cycles},
                                     {"formula_error_percent", error_percent},
                                     {"correct", run.holds},
                                     {"wavelet_hops", run.result.wavelet_hops},
                                     {"wavelets_sent", run.result.wavelets_sent},
                                     {"wavelets_taken", run.result.wavelets_taken},
                                     {"wall_seconds", wall.count()},
                                     {"wavelet_hops_per_second", hops_per_second},
                                     {"link_use", links_used}};
    PrintText(JsonText(out) + "\n");
  } else {
    Print(
        "{} on {} x {} cores, {} wavelets each: {} cycles (formula {:.0f}, {:+.1f} %), result {}\n",
        collective->name, size.columns, size.rows(), size.length, run.result.cycles,
        run.formula_cycles, error_percent, run.holds ? "right" : "WRONG");
    Print(
        "{} wavelet hops ({:.1f} % of what the links could carry) simulated in {:.2f} s: {:.3g} a "
        "second\n",
        run.result.wavelet_hops, 100 * links_used, wall.count(), hops_per_second);
  }
  return run.holds ? absl::OkStatus() : absl::InternalError("the collective's result is wrong");
}

}  // namespace

Command FabricCommand() {
  std::vector<std::string> names;
  for (const fabric::Collective* c : fabric::Collectives()) names.emplace_back(c->name);
  return Command{
      .words = "wafer fabric",
      .summary = "Simulate a collective operation cycle by cycle and compare it with its formula",
      .flags =
          {ChoiceFlag("collective", "NAME", "the operation", names).Required(),
           TextFlag("grid", "N|CxR", "cores along an edge, or columns and rows of them")
               .Default("128"),
           IntegerFlag("length", "N", "wavelets of each core's vector", {1, 65536}).Default(32),
           IntegerFlag("ramp", "CYCLES", "cycles between router and core", {1, 5}).Default(2),
           IntegerFlag("threads", "N", "threads that simulate; they change no result", {1, 256})
               .Default(2)},
      .examples = {"waferctl wafer fabric --collective " + names.front() + " --grid 64",
                   "waferctl wafer fabric --collective gemv-two-phase --grid 762x1172 --length 12"},
      .run = RunFabric};
}

}  // namespace waferline::cli
