// A working-capital loan whose instalments are paid in cash or by delivered capacity. Interest is
// simple, 30/360: a slice of the principal owes rate x months / 12 when its instalment comes. Paid
// by capacity, the slice's interest falls away; in cash it is paid. Whole cents; pure functions.
//
// Law, after each month: accrued = waived + paid + owed, and drawn = repaid + outstanding.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "server/contracts/contract.h"

namespace waferline::contracts {

struct LoanMonth {
  Month month;
  Cents opening;  // principal
  Cents drawn;
  Cents repaid_cash;
  Cents repaid_capacity;
  Cents accrued;  // interest of this month
  Cents waived;
  Cents paid;
  Cents owed;  // accrued so far, neither waived nor paid
  Cents closing;
};

// From the month of drawing to that of the last instalment.
std::vector<LoanMonth> LoanScheduleOf(const Loan& loan);

// The same principal and rate as an annuity: equal payments of principal and interest, interest on
// the balance each month.
struct Annuity {
  Cents payment;   // each month, to the nearest cent; the last one takes up what is left
  Cents interest;  // in all
};
// `months` from 1 to kMaxContractMonths.
Annuity AnnuityOf(Cents principal, int64_t rate_ppm, int months);

}  // namespace waferline::contracts
