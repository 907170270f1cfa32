// On whose payments a plan's revenue rests, year by year. Pure.
#pragma once

#include <vector>

#include "server/contracts/concentration.h"
#include "server/planner/money.h"
#include "server/planner/plan.h"

namespace waferline::planner {

struct CustomerYear {
  int year = 0;
  contracts::Concentration revenue;  // by group
};

// Revenue before contra-revenue. Each month's contracted revenue, and what is passed through, is
// shared out among the customers by the megawatts that they are promised in it, to the cent;
// tokens that are sold beyond contracts are those of many others. Years without revenue are left
// out. The plan must have finance, and `money` be its run.
std::vector<CustomerYear> CustomersOf(const Plan& plan, const Values& values,
                                      const MoneyRun& money);

}  // namespace waferline::planner
