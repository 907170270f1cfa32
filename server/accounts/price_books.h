// The price book that a database was used with, kept next to the usage that it priced, so that
// what was charged can be computed again from the database alone. Work inside a transaction.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/billing/price_book.h"
#include "server/store/connection.h"

namespace waferline::accounts {

// The database is used with `book` from now on. FailedPrecondition: it would re-price usage that is
// recorded (CheckNotRepriced), or lacks the plan of a tenant.
absl::Status AdoptPriceBook(store::Connection& connection, const billing::PriceBook& book,
                            int64_t now_us);

// The last that was adopted. NotFound: none was.
absl::StatusOr<billing::PriceBook> StoredPriceBook(store::Connection& connection);

// NotFound: the plan is not in every version that is or comes in force; lists those of the first
// that lacks it.
absl::Status CheckPlan(const billing::PriceBook& book, const std::string& plan, int64_t now_us);

}  // namespace waferline::accounts
