// What a contract takes back for availability below the promised one. Pure functions.
#pragma once

#include "absl/status/statusor.h"
#include "server/contracts/contract.h"
#include "server/money/money.h"

namespace waferline::contracts {

// So many of `of` hours, or requests, were served. `of` > 0.
struct Availability {
  int64_t served = 0;
  int64_t of = 0;
};

// Of one month: `committed` is what the missing share is a share of, `billed` what the cap is.
struct CreditBase {
  Money committed;
  Money billed;
};

// The price of the share that is missing to the promised availability, at most the cap; 0 if none
// is missing. OutOfRange: beyond what Money holds.
absl::StatusOr<Money> ServiceCredit(const Service& service, const Availability& measured,
                                    const CreditBase& base);

}  // namespace waferline::contracts
