// Numbers in messages, with as many digits as it takes to tell them from a bound: 1.0000001 is not
// "1". Pure functions, any thread.
#pragma once

#include <charconv>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/units.h"

namespace waferline {

// As "%g", if that reads back as the same number, else the shortest text that does; "nan", "inf".
// Number: float or double.
template <typename Number>
std::string NumberText(Number value) {
  std::string text = absl::StrCat(value);
  if (value != value || static_cast<Number>(std::strtod(text.c_str(), nullptr)) == value) {
    return text;
  }
  char digits[40];
  return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
}

// "0.5 ms"
inline std::string MillisecondsText(Nanoseconds time) {
  return NumberText(time.as_double() / 1e6) + " ms";
}

// "is 1.0000001, must lie in [0, 1]"
inline std::string OutOfRangeText(double value, double min, double max) {
  return absl::StrCat("is ", NumberText(value), ", must lie in [", NumberText(min), ", ",
                      NumberText(max), "]");
}

}  // namespace waferline
