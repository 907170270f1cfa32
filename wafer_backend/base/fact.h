// A number about hardware together with how well it is known. Plain values, any thread.
#pragma once

#include <string>

namespace waferline {

// Who says so. kUnknown: unknown outside the vendor, the value is a stated default of a parameter.
enum class Mark : char { kPublished = 'P', kSecondary = 'S', kDerived = 'D', kUnknown = '?' };

// `low` <= `value` <= `high`; the three are equal unless the file states a range. Finite, always.
struct Fact {
  double value = 0;
  double low = 0;
  double high = 0;
  Mark mark = Mark::kUnknown;
  std::string source;
};

struct TextFact {
  std::string value;
  Mark mark = Mark::kUnknown;
  std::string source;
};

}  // namespace waferline
