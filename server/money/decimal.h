// Decimal numbers as text, read exactly: no double on the way. Pure functions, any thread.
//
// Grammar: [-] digits [. digits] [e [+|-] digits], at least one digit before and, if there is a
// point, after it; nothing around it. At most 40 characters, an exponent of at most two digits.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/money/wide.h"

namespace waferline {

// `text` x 10^decimals, which must be whole: ParseScaled("0.35", 6) is 350000. InvalidArgument if
// the text is not a decimal number, has more decimals than that, or if the result is above 10^27.
absl::StatusOr<Wide> ParseScaled(std::string_view text, int decimals);
// The same within int64.
absl::StatusOr<int64_t> ParseScaledInt(std::string_view text, int decimals);

// value / 10^decimals, without trailing zeros beyond `min_decimals`: (350000, 6, 2) is "0.35".
std::string FormatScaled(Wide value, int decimals, int min_decimals);

}  // namespace waferline
