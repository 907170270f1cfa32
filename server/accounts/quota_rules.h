// What a quota must be, at every door. InvalidArgument names the field.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "server/accounts/quota_tables.h"
#include "server/billing/price_book.h"
#include "server/store/connection.h"

namespace waferline::accounts {

// Of a server without prices, where no spending can be limited.
absl::Status CheckNeedsNoPrices(const QuotaChange& change);
// That its limits can be reached, and its shares are of something.
absl::Status CheckQuota(const Quota& quota);
// That who pays more in has a prepaid plan, which alone uses it. A tenant that there is not is for
// SetQuota to name.
absl::Status CheckPaysInAdvance(store::Connection& connection, const QuotaChange& change,
                                const billing::PriceBook* prices, int64_t now_us);

}  // namespace waferline::accounts
