// A plan as one HTML file: first what is assumed, then pictures and tables. Pure.
#pragma once

#include <string>
#include <vector>

#include "server/planner/breaks.h"
#include "server/planner/money.h"
#include "server/planner/monte_carlo.h"
#include "server/planner/plan.h"
#include "server/planner/supply.h"
#include "server/planner/tier.h"

namespace waferline::cli {

// What the page shows, made from one plan.
struct PlanStudy {
  const planner::Plan& plan;
  planner::SupplyRun supply;
  planner::MoneyRun money;  // if the plan has finance
  planner::MonteCarlo mc;
  std::vector<planner::Break> breaks;
  std::vector<planner::TierRange> tiers;  // if it has demand
};
PlanStudy StudyForPage(const planner::Plan& plan);

std::string PlanPage(const PlanStudy& study);

// The pictures of the page by themselves, as SVG documents.
std::string DrawOnline(const PlanStudy& study);
std::string DrawStages(const PlanStudy& study);
std::string DrawCash(const PlanStudy& study);
std::string DrawSwings(const planner::Plan& plan, planner::Figure figure);
std::string DrawYears(const PlanStudy& study);
std::string DrawRevenue(const PlanStudy& study);
std::string DrawCustomers(const PlanStudy& study);
std::string DrawSystemHour(const planner::Plan& plan);
std::string DrawSuppliers(const planner::Plan& plan);
std::string DrawTiers(const planner::Plan& plan, const std::vector<planner::TierRange>& tiers);

}  // namespace waferline::cli
