// Plans that are paid from a balance. Pure function, any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "server/billing/price_book.h"

namespace waferline::billing {

// Is `plan` one, at that instant? Without prices, or of a plan that they do not have: no.
bool IsPrepaid(const PriceBook* prices, std::string_view plan, int64_t instant_us);

}  // namespace waferline::billing
