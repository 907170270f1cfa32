// Numbers in messages, with as many digits as it takes to tell them from a bound: 1.0000001 is not
// "1". Pure functions, any thread.
#pragma once

#include <charconv>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"

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

}  // namespace waferline
