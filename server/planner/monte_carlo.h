// A plan under uncertainty: many runs with parameters drawn from their ranges, and one parameter at
// a time at the ends of its range. Pure functions of the seed.
//
// A draw is triangular: low and high at the ends, the value most likely; a parameter without a
// range is not drawn. It depends on (seed, run, the parameter's name) alone: another parameter more
// or less leaves all other draws as they are. Draws are independent of each other, which the world
// is not: a bad year for one supplier is often one for others.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "server/planner/plan.h"

namespace waferline::planner {

// What is looked at of a run.
enum class Figure : uint8_t {
  kOnlineWhenDue,  // MW, in the week in which the last promise is due
  kShort,          // MW-months, of the whole plan
  kPeakCashNeed,   // $, before what is paid in
  kIncome,         // $, operating income of the whole plan
  kSystemHour,     // $ a system-hour
  kMillionTokens,  // $ a million tokens of the first model
};
inline constexpr size_t kFigures = 6;
std::string_view Name(Figure figure);  // "online_mw_when_due"
std::string_view Unit(Figure figure);
std::vector<std::string_view> FigureNames();
using Figures = std::array<double, kFigures>;

// A whole run: supply, and money if the plan has finance (else those figures are 0).
Figures FiguresOf(const Plan& plan, const Values& values);

Values DrawValues(const Plan& plan, uint64_t seed, uint64_t run);

struct Spread {
  double p10 = 0, p50 = 0, p90 = 0;
  double mean = 0;
};
// Nearest-rank percentiles: each is one of `values`, of which there is at least one.
Spread SpreadOf(std::vector<double> values);

struct MonteCarlo {
  int runs = 0;
  std::array<Spread, kFigures> figures;
  std::vector<Spread> online_mw;  // by week
  std::vector<Spread> cash_usd;   // by month, at its end; empty without finance
  double kept_share = 0;          // of the runs: all that is promised is online when it is due
};

// `progress` is called after each run with how many are done; may be empty. Memory: 8 bytes for
// each run, week and month.
MonteCarlo RunMonteCarlo(const Plan& plan, int runs, uint64_t seed,
                         const std::function<void(int)>& progress);

struct Swing {
  uint32_t parameter = 0;
  double at_low = 0, at_high = 0;
};
// The effect of each parameter with a range, the others at their values; the widest first.
std::vector<Swing> Tornado(const Plan& plan, Figure figure);

}  // namespace waferline::planner
