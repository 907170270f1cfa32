// The weekly flow of whole systems through a plan's stages, until they are online in a hall.
//
// A stage starts units at its rate (fractions are carried) as far as what it needs is in stock and
// its consumer has room; they are finished `lead_weeks` later, `good` of them are usable, the rest
// is scrap or comes back from rework. A unit started in week w is finished at the end of week
// w + lead, and may be used in that same week. The last stage also needs room in the halls; its
// good units are online. During an outage a stage starts and finishes nothing and its calendar
// stands still, so that everything after is later: what a slip is. What a stage holds can still be
// taken.
//
// Pure. Conserved in each week, for each stage: started = good + scrap + in work; opening stock +
// good (of itself and its second sources) = taken + stock. Cost: weeks x stages.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "server/planner/plan.h"

namespace waferline::planner {

// Why a stage started no more in a week.
enum class Reason : uint8_t { kCapacity, kStarved, kRoom, kBlocked, kOutage };
std::string_view Name(Reason reason);

// Totals from the beginning to the end of a week.
struct StageWeek {
  int64_t started = 0;
  int64_t good = 0;
  int64_t scrap = 0;
  int64_t in_work = 0;  // rework included
  int64_t taken = 0;    // of its stock, by stages that need it
  int64_t stock = 0;
  Reason reason = Reason::kCapacity;
  size_t starved_of = 0;  // kStarved: the stage whose stock ran out
};

// What limits the plan in a week: the stage that the walk from the last stage back along "starved
// of" ends at; `stage` is stages.size() for the halls.
struct Binding {
  size_t stage = 0;
  Reason reason = Reason::kCapacity;
};

struct SupplyRun {
  std::vector<int64_t> online;                 // systems, at the end of each week
  std::vector<double> hall_mw;                 // ready, at each week
  std::vector<std::vector<StageWeek>> stages;  // [stage][week]
  std::vector<Binding> binding;                // [week]
};

// With `outages` as well as the plan's own.
SupplyRun RunSupply(const Plan& plan, const Values& values, std::span<const Outage> outages = {});

// Promised at the end of each week, MW.
std::vector<double> PromisedMw(const Plan& plan, const Values& values);
// The same of one promise, at the end of `week`.
double PromisedMw(const Promise& promise, const Values& values, size_t week);

// Megawatts below `wanted`, summed over the weeks, in MW-months of 365.25 / 12 days.
double ShortMwMonths(std::span<const double> wanted, std::span<const double> online);
// Systems as MW.
std::vector<double> OnlineMw(const Plan& plan, const Values& values, const SupplyRun& run);

// MW of `hall` that are ready in each week; a hall step whose date is past the horizon never is.
std::vector<double> HallMw(const Plan& plan, const Hall& hall, const Values& values);

// "power", or "halls".
std::string NameOf(const Plan& plan, size_t stage);

}  // namespace waferline::planner
