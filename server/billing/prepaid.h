// Plans that are paid from a balance. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/billing/price_book.h"
#include "server/billing/usage_record.h"
#include "server/money/money.h"

namespace waferline::billing {

// Is `plan` one, at that instant? Without prices, or of a plan that they do not have: no.
bool IsPrepaid(const PriceBook* prices, std::string_view plan, int64_t instant_us);

// What the record takes of its tenant's balance before its invoice books it: system time of a
// prepaid plan that bills it. 0 otherwise.
absl::StatusOr<Money> PrepaidTime(const PriceBook& prices, const UsageRecord& record);

}  // namespace waferline::billing
