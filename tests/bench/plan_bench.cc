// What a run of a plan and a Monte Carlo study take.
//   build/bench/plan_bench [PLAN] [RUNS]
//
// Workload: deploy/plans/PLAN (750mw), 260 weeks of supply and 60 months of money, 200 times; then
// RUNS (10,000) with every parameter drawn from its range, on one thread.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <string>

#include "server/planner/monte_carlo.h"
#include "server/planner/plan_reader.h"

int main(int argc, char** argv) {
  using namespace waferline::planner;
  const std::string name = argc > 1 ? argv[1] : "750mw";
  const int runs = argc > 2 ? std::max(1, std::atoi(argv[2])) : 10'000;
  const auto plan = LoadPlan(name);
  if (!plan.ok()) {
    fmt::print(stderr, "{}\n", std::string(plan.status().message()));
    return 1;
  }
  const auto seconds = [](const auto& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  Figures figures{};
  constexpr int kSingle = 200;
  const double single = seconds([&] {
    for (int i = 0; i < kSingle; ++i) figures = FiguresOf(*plan, plan->BaseValues());
  });
  MonteCarlo mc;
  const double study = seconds([&] { mc = RunMonteCarlo(*plan, runs, 1, {}); });
  fmt::print("{}: {} weeks with money in {:.3f} ms; {} runs in {:.2f} s\n", name, plan->weeks,
             single / kSingle * 1e3, runs, study);
  fmt::print("short of what is contracted by {:.0f} MW-months; P10 {:.0f}, P90 {:.0f}\n",
             figures[static_cast<size_t>(Figure::kShort)],
             mc.figures[static_cast<size_t>(Figure::kShort)].p10,
             mc.figures[static_cast<size_t>(Figure::kShort)].p90);
  return 0;
}
