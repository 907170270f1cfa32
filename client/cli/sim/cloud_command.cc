// waferctl selftest cloud: whole clouds under seeds.
#include <malloc.h>
#include <sys/prctl.h>

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/output.h"
#include "client/cli/frame/progress.h"
#include "client/cli/sim/sim_commands.h"
#include "scheduler/simulator/report_json.h"
#include "server/simulated/run.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::cli {
namespace {

// One seed of so many is run twice, for law 6.
constexpr uint64_t kTwiceOneIn = 16;
// Then the seeds that follow are not run.
constexpr size_t kMaxBroken = 10;

struct Broken {
  uint64_t seed = 0;
  std::string how;
};

struct CloudRuns {
  uint64_t seeds = 0;
  uint64_t twice = 0;
  double seconds = 0;
  std::vector<Broken> broken;  // by seed
  simulated::Figures figures;
};

// What the threads that run seeds share.
struct Shared {
  const std::unique_ptr<simulated::Fixtures> fixtures;
  const uint64_t end;
  std::atomic<uint64_t> next;  // seed
  Mutex mutex;                 // of what follows
  Progress progress;
  CloudRuns outcome;
};

void RunSome(Shared* shared) {
  const simulated::Fixtures& fixtures = *shared->fixtures;
  CloudRuns* const outcome = &shared->outcome;
  for (uint64_t seed = shared->next++; seed < shared->end; seed = shared->next++) {
    const bool twice = seed % kTwiceOneIn == 0;
    const simulated::RunOptions options{.seed = seed};
    const simulated::RunResult result =
        twice ? simulated::RunTwice(options, fixtures) : simulated::RunCloud(options, fixtures);
    const MutexLock lock(&shared->mutex);
    ++outcome->seeds;
    shared->progress.Show(static_cast<int64_t>(outcome->seeds));
    outcome->twice += twice ? 1 : 0;
    outcome->figures.Add(result.figures);
    if (result.failure.empty()) continue;
    outcome->broken.push_back({seed, result.failure});
    if (outcome->broken.size() >= kMaxBroken) shared->next = shared->end;
  }
}

// Runs take and release the same memory again and again: it need not go back to the system, nor
// come in huge pages, of which a tiny model uses little.
void KeepMemory() {
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 512 << 20);
  prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

CloudRuns RunSeeds(uint64_t first, uint64_t count, int jobs) {
  KeepMemory();
  const auto begin = std::chrono::steady_clock::now();
  Shared shared{.fixtures = simulated::MakeFixtures(),
                .end = first + count,
                .next = first,
                .mutex = {},
                .progress{"seeds", static_cast<int64_t>(count)},
                .outcome = {}};
  std::vector<std::thread> threads;
  for (int i = 0; i < jobs; ++i) threads.emplace_back(RunSome, &shared);
  for (std::thread& thread : threads) thread.join();
  CloudRuns outcome = std::move(shared.outcome);
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::sort(outcome.broken.begin(), outcome.broken.end(),
            [](const Broken& a, const Broken& b) { return a.seed < b.seed; });
  return outcome;
}

boost::json::object JsonOf(const CloudRuns& outcome) {
  const simulated::Figures& figures = outcome.figures;
  boost::json::object faults, errors;
  for (size_t i = 0; i < simulated::kFaultNames.size(); ++i) {
    faults[simulated::kFaultNames[i]] = figures.faults[i];
  }
  for (const auto& [what, count] : figures.errors) errors[what] = count;
  boost::json::array broken;
  for (const Broken& each : outcome.broken) {
    broken.push_back({{"seed", each.seed}, {"how", each.how}});
  }
  return {{"seeds", outcome.seeds},
          {"seeds_run_twice", outcome.twice},
          {"seconds", outcome.seconds},
          {"seeds_per_second", static_cast<double>(outcome.seeds) / outcome.seconds},
          {"virtual_seconds", ToSeconds(figures.virtual_time)},
          {"turns", figures.turns},
          {"requests", figures.requests},
          {"complete", figures.complete},
          {"failed", figures.failed},
          {"refused", figures.refused},
          {"cancelled", figures.cancelled},
          {"front_end_lost", figures.lost},
          {"tokens_compared", figures.tokens},
          {"computed_again", figures.recoveries},
          {"faults", std::move(faults)},
          {"network",
           {{"packets", figures.net.packets},
            {"lost", figures.net.lost},
            {"overtaken", figures.net.overtaken},
            {"in_pieces", figures.net.pieces},
            {"held_by_cuts", figures.net.cut},
            {"connections_reset", figures.net.resets},
            {"connections_refused", figures.net.refused}}},
          {"disk",
           {{"writes", figures.disk.writes},
            {"syncs", figures.disk.syncs},
            {"slow_syncs", figures.disk.slow_syncs},
            {"errors", figures.disk.errors},
            {"power_losses", figures.disk.power_losses},
            {"writes_lost", figures.disk.writes_lost}}},
          {"usage_posted", figures.records},
          {"usage_interrupted", figures.interrupted},
          {"errors", std::move(errors)},
          {"broken", std::move(broken)}};
}

void PrintOutcome(const CloudRuns& outcome) {
  const simulated::Figures& figures = outcome.figures;
  Print("{} seeds in {:.1f} s ({:.0f} a second), {} of them twice; {:.0f} virtual seconds\n",
        outcome.seeds, outcome.seconds, static_cast<double>(outcome.seeds) / outcome.seconds,
        outcome.twice, ToSeconds(figures.virtual_time));
  Print("requests {}: {} complete, {} failed, {} refused, {} cancelled, {} with their front end\n",
        figures.requests, figures.complete, figures.failed, figures.refused, figures.cancelled,
        figures.lost);
  Print("tokens {}, compared with those without faults; sequences computed again {}\n",
        figures.tokens, figures.recoveries);
  PrintText("faults");
  for (size_t i = 0; i < simulated::kFaultNames.size(); ++i) {
    Print(" {} {}", simulated::kFaultNames[i], figures.faults[i]);
  }
  Print("\npackets {}: {} lost, {} overtaken, {} in pieces, {} held by cuts\n", figures.net.packets,
        figures.net.lost, figures.net.overtaken, figures.net.pieces, figures.net.cut);
  Print(
      "disk {} writes, {} syncs: {} slow, {} errors, {} writes lost; usage records {}, {} not "
      "charged\n",
      figures.disk.writes, figures.disk.syncs, figures.disk.slow_syncs, figures.disk.errors,
      figures.disk.writes_lost, figures.records, figures.interrupted);
  for (const Broken& each : outcome.broken) {
    Print("BROKEN seed {}: {}\n       repeat: waferctl selftest cloud --seed {}\n", each.seed,
          each.how, each.seed);
  }
}

constexpr int64_t kMaxSeed = int64_t{1} << 62;

absl::Status Cloud(const Arguments& arguments) {
  const bool one = arguments.Has("seed");
  const auto first = static_cast<uint64_t>(arguments.Integer(one ? "seed" : "first"));
  const auto count = one ? uint64_t{1} : static_cast<uint64_t>(arguments.Integer("seeds"));
  const CloudRuns outcome = RunSeeds(first, count, static_cast<int>(arguments.Integer("jobs")));
  if (arguments.json()) {
    PrintText(simulator::Pretty(JsonOf(outcome)));
  } else {
    PrintOutcome(outcome);
  }
  if (outcome.broken.empty()) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("a law does not hold; repeat the first with: waferctl "
                   "selftest cloud --seed ",
                   outcome.broken.front().seed));
}

}  // namespace

Command CloudCommand() {
  return {.words = "selftest cloud",
          .summary =
              "Run whole clouds in virtual time, with faults drawn from seeds, and check the "
              "laws",
          .flags = {IntegerFlag("seed", "N", "run this seed alone", {0, kMaxSeed}),
                    IntegerFlag("seeds", "N", "run so many", {1, 1'000'000'000'000}).Default(100),
                    IntegerFlag("first", "N", "the first of them", {0, kMaxSeed}).Default(1),
                    IntegerFlag("jobs", "J", "at the same time", {1, 256}).Default(1)},
          .examples = {"waferctl selftest cloud --seeds 1000 --jobs 2",
                       "waferctl selftest cloud --seed 17"},
          .run = Cloud};
}

}  // namespace waferline::cli
