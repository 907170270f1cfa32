// Checks of the scheduler against what is known without it: conservation, Little's law, queueing
// theory's closed forms, monotonicity, stability under overload. Runs whole replays over devices
// with constant times; pure, seeded; about a second in all.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace waferline::simulator {

struct LawResult {
  std::string law;
  std::string expected;
  std::string found;
  bool holds = false;
};

// `report` is called with each result as it comes; may be empty.
std::vector<LawResult> CheckAllLaws(uint64_t seed,
                                    const std::function<void(const LawResult&)>& report);

// Mean wait in M/D/c (Poisson arrivals, c servers, each service takes 1), at `load` < 1 a server,
// in service times. Crommelin, "Delay probability formulae when the holding times are constant",
// Post Office Electrical Engineers Journal 25, 1932. M/D/1: load / (2 (1 - load)).
double MeanWaitMdc(int servers, double load);

}  // namespace waferline::simulator
