// JSON numbers in a range, as sets of their texts. A number has one way to be written: without an
// exponent where it is bounded, no leading zeros, no minus before zero. Digits are limited, so that
// no number goes on without end: to what a double keeps apart, so that a text is inside its bounds
// also after it was rounded; or to those of a bound that has more before the point (a largest one:
// up to kMaxLongDigits). Numbers of that length are whole, and inside their bounds as decimals.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/grammar/char_automaton.h"

namespace waferline::grammar {

struct NumberBound {
  // In decimal, as JSON has it without an exponent: "-12", "0.5".
  std::string value;
  bool inclusive = true;
};
inline constexpr size_t kMaxLongDigits = 20;  // of 64 bits
// Of decimals as above: below 0, 0 or above it, as a is less than b, equal or more.
int CompareDecimals(std::string_view a, std::string_view b);

// units / 10^digits. Whether a number is a multiple is decided by its digits, not as a double.
struct Multiple {
  uint64_t units = 1;  // 1 to kMaxMultiple
  size_t digits = 0;   // up to kMaxMultipleDigits
};
inline constexpr uint64_t kMaxMultiple = 1000;
inline constexpr size_t kMaxMultipleDigits = 6;
// Of both; none if it is too large.
std::optional<Multiple> CommonMultiple(const Multiple& a, const Multiple& b);

struct NumberSpec {
  bool integer = false;
  std::optional<NumberBound> min, max;
  std::optional<Multiple> multiple_of;
  std::vector<Multiple> no_multiple_of;
  std::vector<std::string> excluded;  // decimal, as bounds are
};

// InvalidArgument if it grows too large.
absl::StatusOr<CharAutomaton> NumberTexts(const NumberSpec& spec);
// Their texts without a sign.
CharAutomaton MultipleTexts(const Multiple& multiple);

// `number` as a bound has it; none if it has more than 64 characters.
std::optional<std::string> DecimalText(const boost::json::value& number);
// The decimal number that `text` has, as far as it is a multiple: no rounding.
bool IsMultiple(std::string_view text, const Multiple& multiple);

}  // namespace waferline::grammar
