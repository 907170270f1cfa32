// waferctl wafer fabric: one collective on the simulated mesh, beside its closed formula.
#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <string>

#include "client/cli/frame/arguments.h"
#include "client/cli/wafer/wafer_commands.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/fabric/collective.h"

namespace waferline::cli {
namespace {

// What the simulator is to reach on one core of a server, so that an allreduce over 128 x 128 cores
// (32 wavelets each: 3.0 million hops) takes at most three seconds.
constexpr double kLeastHopsPerSecond = 1e6;

absl::Status RunFabric(const Arguments& arguments) {
  if (!arguments.Has("collective")) {
    std::string names;
    for (const fabric::Collective* c : fabric::Collectives()) {
      names += "\n  " + std::string(c->name) + ": " + std::string(c->summary);
    }
    return UsageError("--collective is needed:" + names);
  }
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
                                     {"wavelet_hops_per_second_bound", kLeastHopsPerSecond},
                                     {"link_use", links_used}};
    printf("%s\n", boost::json::serialize(out).c_str());
  } else {
    printf(
        "%s on %d x %d cores, %d wavelets each: %.0f cycles (formula %.0f, %+.1f %%), result %s\n"
        "%lld wavelet-hops (%.1f %% of what the links could carry) in %.2f s: %.3g a second, bound "
        "at least %.3g\n",
        std::string(collective->name).c_str(), size.side, size.side, size.length, cycles,
        run.formula_cycles, error_percent, run.holds ? "right" : "WRONG",
        static_cast<long long>(run.result.wavelet_hops), 100 * links_used, wall.count(),
        hops_per_second, kLeastHopsPerSecond);
  }
  return run.holds ? absl::OkStatus() : absl::InternalError("the collective's result is wrong");
}

}  // namespace

Command FabricCommand() {
  return Command{
      .words = "wafer fabric",
      .summary = "Run a collective on a cycle-level mesh, beside its closed formula",
      .flags = {TextFlag("collective", "NAME", "which one; without it they are listed"),
                IntegerFlag("grid", "P", "cores along one edge", 128, 2, 1024),
                IntegerFlag("length", "L", "wavelets of each core's vector", 32, 1, 65536),
                IntegerFlag("ramp", "CYCLES", "between router and core", 2, 1, 5)},
      .run = RunFabric};
}

}  // namespace waferline::cli
