// A plan's money, month by month in whole cents, and what a system-hour and a million tokens cost.
// Pure.
//
// A system costs cash twice: a share when its assembly starts, the rest when it is delivered to a
// hall; until it is online that is inventory, then property, depreciated evenly from the month
// after. Halls that are built, and one-off costs of stages (masks), are property too, depreciated
// over the halls' life. Systems that are online at a week's end serve from the next week on.
// Contracted systems earn their price for every hour, and the share of their electricity and of
// their room's lease that the buyer pays back; warrants reduce that revenue (contra-revenue) and
// raise equity, without cash. The others sell tokens of the first model. Each line is rounded once,
// to a cent, and is at most 10^13 $ a month. Left out: taxes, interest, loans, warranty, the value
// of parts in stock.
//
// Closes each month, to the cent: cash + receivables + inventory + property = paid in + warrants +
// retained.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/planner/plan.h"
#include "server/planner/supply.h"
#include "wafer_backend/base/calendar.h"

namespace waferline::planner {

// Cents, unless the name says otherwise.
struct MonthMoney {
  Month month;
  int64_t system_hours = 0;      // of all systems online
  int64_t contracted_hours = 0;  // of those that are contracted

  int64_t contracted = 0, passed_through = 0, spot = 0;  // revenue
  int64_t contra = 0;                                    // taken off it
  int64_t electricity = 0, lease = 0, staff = 0, depreciation = 0, written_off = 0;

  int64_t collected = 0, paid_in = 0;                          // cash in
  int64_t prepaid = 0, paid_at_delivery = 0, plant_capex = 0;  // cash out, as well as costs
  int64_t placed_in_service = 0;                               // from inventory to property

  // At the month's end.
  int64_t cash = 0, receivables = 0, inventory = 0, property = 0;
  int64_t total_paid_in = 0, warrants = 0, retained = 0;

  int64_t revenue() const { return contracted + passed_through + spot - contra; }
  int64_t costs() const { return electricity + lease + staff + depreciation + written_off; }
  int64_t operating_income() const { return revenue() - costs(); }
};

// $ a system-hour of a system that is in service all the time, in a leased hall.
struct SystemHour {
  double depreciation = 0, electricity = 0, lease = 0, staff = 0;
  double total() const { return depreciation + electricity + lease + staff; }
};

struct ModelCost {
  std::string model;
  double tokens_per_second = 0;  // of a system
  double usd_per_million = 0;
  double joules_per_million = 0;
};

struct MoneyRun {
  std::vector<MonthMoney> months;
  int64_t opening_cash = 0;
  // The most that is missing without what is paid in later; 0 if cash never runs out.
  int64_t peak_cash_need = 0;
  Month peak_cash_month;
};

// The plan must have finance.
MoneyRun RunMoney(const Plan& plan, const Values& values, const SupplyRun& supply);

// $ that a system costs: the unit costs of the stages that lead to it, and the rest.
double SystemCost(const Plan& plan, const Values& values);

// What each supplier gets of a system's cost, the largest first; "(others)" for the rest. A second
// source gets nothing here: which of its units go into a system is not known.
struct SupplierShare {
  std::string supplier;
  double usd = 0;
  double share = 0;
};
std::vector<SupplierShare> SupplierShares(const Plan& plan, const Values& values);

// kW that a system draws from its hall, in the mean: idle and working watts by utilisation.
double MeanKw(const Plan& plan, const Values& values);
// Lease: the mean of the leased halls' prices, by their MW.
SystemHour CostOfSystemHour(const Plan& plan, const Values& values);
std::vector<ModelCost> CostsOfModels(const Plan& plan, const Values& values);

}  // namespace waferline::planner
