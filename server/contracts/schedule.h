// A contract month by month: what is committed, used, billed, credited, recognised, and what is
// still to come. Whole cents; every column's months sum to the contract's total. Pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "server/contracts/contract.h"
#include "server/contracts/loan.h"

namespace waferline::contracts {

// What is not in the contract: how it goes.
struct Conduct {
  Multiplier used;       // of the committed capacity; above 1: more, at the same price
  Multiplier available;  // of the hours
};

struct ScheduleMonth {
  Month month;
  int64_t twice_kw = 0;  // CapacityMonth::twice_kw
  int64_t delivered_kw = 0;
  int64_t systems = 0;  // promised for what is delivered
  Cents committed;
  Cents used;
  Cents unused;  // committed, and paid, but not used
  Cents billed;  // the larger of what is used and the minimum share of what is committed
  Cents credit;  // for availability below the promised one
  Cents pass_through;
  Cents contra_revenue;        // the warrant's value that this month's revenue is reduced by
  Cents recognised;            // billed - credit + pass_through - contra_revenue
  Cents obligations;           // committed, of the months after this one
  int64_t warrant_vested = 0;  // shares, by the month's end
  LoanMonth loan;
  Cents cash_in;  // billed - credit + pass_through, less what the loan's capacity instalment pays
};

struct Schedule {
  Cents total;  // committed, with exercised options
  std::vector<ScheduleMonth> months;
};

// OutOfRange: a total above what Money holds.
absl::StatusOr<Schedule> ScheduleOf(const Contract& contract, const Conduct& conduct);

// Obligations outstanding at the begin of `from`, by when they fall due.
struct Obligations {
  Cents total;
  Cents next_two_years;  // months 1 to 24
  Cents two_after;       // 25 to 48
  Cents later;
};
Obligations ObligationsAt(const Schedule& schedule, Month from);

}  // namespace waferline::contracts
