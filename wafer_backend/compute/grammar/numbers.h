// JSON numbers in a range, as sets of their texts. A number has one way to be written: without an
// exponent where it is bounded, no leading zeros, no minus before zero. Digits are limited to what
// a double keeps apart, so that a text is inside its bounds also after it was rounded; and so that
// no number goes on without end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/grammar/char_automaton.h"

namespace waferline::grammar {

struct NumberBound {
  // In decimal, as JSON has it without an exponent: "-12", "0.5".
  std::string value;
  bool inclusive = true;
};

struct NumberSpec {
  bool integer = false;
  std::optional<NumberBound> min, max;
  uint64_t multiple_of = 1;  // 1 to kMaxMultiple; others than 1 for integers
};
inline constexpr uint64_t kMaxMultiple = 1000;

// InvalidArgument if it grows too large.
absl::StatusOr<CharAutomaton> NumberTexts(const NumberSpec& spec);

}  // namespace waferline::grammar
