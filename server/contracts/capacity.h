// What a contract has in service, month by month, and how many systems that takes. Pure functions.
//
// What is delivered in a month serves from its middle on, for the term: the capacity of a month is
// the mean of its begin and its end.
#pragma once

#include <cstdint>
#include <vector>

#include "server/contracts/contract.h"

namespace waferline::contracts {

struct CapacityMonth {
  Month month;
  int64_t delivered_kw = 0;  // since the start, by the month's end
  int64_t twice_kw = 0;      // twice the mean capacity in service: whole

  double mw() const { return static_cast<double>(twice_kw) / 2000; }
  // Twice the kWh.
  int64_t weight() const { return twice_kw * month.hours(); }
};

// From the first delivery to the last month of the last one's term. With `options`: those that are
// exercised too.
std::vector<CapacityMonth> CapacityOf(const Contract& contract, bool options = true);

// What a system draws of the contract's MW, at pue if those count the hall's load.
int64_t WattsPerSystem(const Contract& contract);
// Systems for `kw` of capacity. A promise is kept by the next whole system, a ceiling by the last
// one below: 750 MW of 23 kW are 32,609 promised and 32,608 within.
int64_t SystemsPromised(const Contract& contract, int64_t kw);
int64_t SystemsWithin(const Contract& contract, int64_t kw);

}  // namespace waferline::contracts
