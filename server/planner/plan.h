// A plan of a fleet: how systems come into being (stages with suppliers, rates, lead times), the
// halls that they stand in, and what is contracted. Plain values.
//
// Every number that may be uncertain is a parameter: value, low, high, mark and source. The plan's
// structure holds parameters by index and a run takes a vector of their values, so that --set and
// random draws change nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/fact.h"

namespace waferline::planner {

struct Parameter {
  std::string name;  // as --set takes it: "stages.wafers.lead_weeks"
  Fact fact;
  double min = 0, max = 0;  // that are allowed
  bool stated = true;       // false: a default that the file may leave out
};

// A parameter of the plan.
struct Par {
  uint32_t index = 0;
};

// By Par::index.
using Values = std::vector<double>;

// From `week` of the stage's own calendar on, which stands still while the stage does.
struct RateStep {
  int week = 0;
  Par per_week;  // units that are started
};

struct Need {
  size_t stage = 0;
  Par units;  // for each unit started
};

struct Loss {
  int week = 0;
  Par share;  // of what is finished in that week
};

inline constexpr size_t kMaxStages = 40;
inline constexpr int kMaxWeeks = 1040;
inline constexpr int64_t kNoMaxStock = std::numeric_limits<int64_t>::max();

// Something that is made, bought or done. One without needs is bought from its supplier.
struct Stage {
  std::string name;
  std::string supplier;
  std::vector<RateStep> rate;
  Par lead_weeks;     // from start to finish, rounded to whole weeks
  Par good;           // share of what is finished; the rest is scrap, or
  Par rework_weeks;   // is good after this many weeks more; 0: scrap
  Par stock;          // at the beginning
  Par enabled;        // 0: is not there (a second source that is not used)
  Par unit_cost_usd;  // part of what a system costs
  Par one_off_usd;    // masks, tools: paid when it starts, if it is enabled
  std::vector<Need> needs;
  std::vector<Loss> losses;
  int64_t max_stock = kNoMaxStock;  // starts no more while it has this many, in work and finished
  std::optional<size_t> into;       // a second source: adds to that stage's stock
};

struct HallStep {
  Par week;
  Par mw;
};

// Room for systems. A built hall is ready when the longest of its phases and the fitting out are.
struct Hall {
  std::string name;
  bool built = false;
  std::vector<HallStep> steps;  // leased
  std::vector<Par> phases;      // built: weeks of what goes on at the same time
  Par start_week, fit_out, mw;  // built
  Par usd_per_mw_month;         // leased
  Par capex_usd_per_mw;         // built
};

// Promised to customers: rises evenly from 0 at the start of `from_week` to `mw` at the end of
// the week before `to_week`, and stays.
struct Promise {
  std::string name;
  std::string customer, group;  // who pays; customers of one group count as one
  Par mw, from_week, to_week;
  Par lost_week;  // the customer is gone from then on
};

struct Equity {
  Month month;
  Par usd;
};

struct ServedModel {
  std::string name;
  Par tokens_per_second;  // of one system, all its users together
  int wafers = 1;         // systems of a pipeline: it has all of them or does not run
};

// finance.h says what each is.
struct Finance {
  Par other_cost_usd, life_years, hall_life_years, prepay_share, staff_share;
  Par price_usd_per_system_hour, contra_share, pass_through_power, pass_through_lease;
  Par spot_usd_per_million_tokens, payment_months, pue, usd_per_kwh, opening_cash_usd;
  std::vector<Equity> equity;
  Par utilisation, idle_share, watts;  // watts: a system's, at work
  int64_t context = 0;                 // cached positions of a user
  std::vector<ServedModel> models;     // the first is what systems beyond the contract serve
};

// What users want of the first served model, and the accelerators for those who can wait: tier.h.
struct Demand {
  Par tokens_per_day, peak_over_mean, low_latency_share;
  std::string node;  // "8 x h200"
  Par node_tokens_per_second, node_watts, node_usd_per_hour;
};

// Nothing moves in these stages (or in the halls: their dates shift) for `weeks` from `week` on.
struct Outage {
  std::vector<size_t> stages;
  bool halls = false;
  int week = 0;
  int weeks = 0;
};

struct Plan {
  std::string name;
  std::string title;
  int64_t start_us = 0;  // midnight of the first day of week 0
  int weeks = 260;
  Par kw_per_system;
  std::vector<Parameter> parameters;
  std::vector<Stage> stages;  // each after those that it needs; the last one puts systems online
  std::vector<Hall> halls;
  std::vector<Promise> promises;
  std::vector<Outage> outages;  // that the plan itself foresees
  std::optional<Finance> finance;
  std::optional<Demand> demand;  // only with finance

  Values BaseValues() const {
    Values values;
    for (const Parameter& parameter : parameters) values.push_back(parameter.fact.value);
    return values;
  }
};

}  // namespace waferline::planner
