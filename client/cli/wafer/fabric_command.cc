// waferctl wafer fabric: one collective on the simulated mesh, next to its closed formula.
#include <boost/json.hpp>
#include <chrono>
#include <string>

#include "client/cli/frame/output.h"
#include "client/cli/wafer/wafer_commands.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/fabric/collective.h"

namespace waferline::cli {
namespace {

// What the simulator is to reach on one core of a server, so that an allreduce over 128 x 128 cores
// (32 wavelets each: 3.0 million hops) takes at most three seconds.
constexpr double kMinHopsPerSecond = 1e6;

absl::Status RunFabric(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const fabric::Collective* collective,
                      fabric::FindCollective(arguments.Text("collective")));
  const fabric::CollectiveSize size = {static_cast<int>(arguments.Integer("grid")),
                                       static_cast<int>(arguments.Integer("length")),
                                       static_cast<int>(arguments.Integer("ramp"))};
  const auto begin = std::chrono::steady_clock::now();
  WL_ASSIGN_OR_RETURN(const fabric::CollectiveRun run, fabric::RunCollective(*collective, size));
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;
  const double cycles = static_cast<double>(run.result.cycles);
  const double error_percent = 100 * (run.formula_cycles / cycles - 1);
  const double hops = static_cast<double>(run.result.wavelet_hops);
  const double hops_per_second = hops / wall.count();
  // Of what all links could carry in this many cycles, a wavelet each way and cycle.
  const double links = 4.0 * size.side * (size.side - 1);
  const double links_used = hops / (links * cycles);
  if (arguments.json()) {
    const boost::json::object out = {{"collective", std::string(collective->name)},
                                     {"grid", size.side},
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
                                     {"wavelet_hops_per_second_bound", kMinHopsPerSecond},
                                     {"link_use", links_used}};
    PrintText(JsonText(out) + "\n");
  } else {
    Print(
        "{} on {} x {} cores, {} wavelets each: {} cycles (formula {:.0f}, {:+.1f} %), result {}\n",
        collective->name, size.side, size.side, size.length, run.result.cycles, run.formula_cycles,
        error_percent, run.holds ? "right" : "WRONG");
    Print(
        "{} wavelet hops ({:.1f} % of what the links could carry) simulated in {:.2f} s: {:.3g} a "
        "second, expected at least {:.3g}\n",
        run.result.wavelet_hops, 100 * links_used, wall.count(), hops_per_second,
        kMinHopsPerSecond);
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
           IntegerFlag("grid", "N", "cores along one edge", {2, 1024}).Default(128),
           IntegerFlag("length", "N", "wavelets of each core's vector", {1, 65536}).Default(32),
           IntegerFlag("ramp", "CYCLES", "cycles between router and core", {1, 5}).Default(2)},
      .examples = {"waferctl wafer fabric --collective " + names.front() + " --grid 64"},
      .run = RunFabric};
}

}  // namespace waferline::cli
