// Unicode normalisation, form C (Unicode Standard Annex 15), by utf8proc's tables. Pure; any
// thread. O(n log n) in the bytes of the text: marks are put in order by sorting, not one by one.
#pragma once

#include <string>
#include <string_view>

namespace waferline::model {

// False only if `text` is its own form C: cheap, and true of nothing in Latin-1.
bool MayChangeInFormC(std::string_view text);

// Bytes that are not UTF-8 stay as they are.
std::string FormC(std::string_view text);

}  // namespace waferline::model
