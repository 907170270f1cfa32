// Costs of compute time that older versions did not keep.
#pragma once

#include "absl/status/status.h"
#include "server/billing/price_book.h"
#include "server/store/connection.h"

namespace waferline::accounts {

// What usage costs that was recorded before schema version 10: added to records, hours and prepaid
// balances, once. Work inside a transaction.
absl::Status AddComputeCosts(store::Connection& connection, const billing::PriceBook& book);

}  // namespace waferline::accounts
