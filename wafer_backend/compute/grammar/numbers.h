// JSON numbers in a range, as sets of their texts. A number has one way to be written: without an
// exponent where it is bounded, no leading zeros, no minus before zero. Digits are limited to what
// a double keeps apart, so that a text is inside its bounds also after it was rounded; and so that
// no number goes on without end.
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
