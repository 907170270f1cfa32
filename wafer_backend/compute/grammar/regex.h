// Regular expressions as ECMA 262 writes them (what JSON Schema's `pattern` uses), as far as they
// describe regular languages; Python's named groups are taken, too. Pure functions.
//
// Taken: characters and their escapes, '.', classes, \d \w \s and their opposites, groups,
// alternatives, the quantifiers, lazy or not, '^' and '$'. \D, \W and \S stand for fewer characters
// than they could (ASCII, and what no dialect counts as a digit, word or space), so that every
// dialect matches. InvalidArgument says where something is wrong or not supported: look-around,
// back-references, word boundaries, \p, flags.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/grammar/char_automaton.h"

namespace waferline::grammar {

inline constexpr size_t kMaxPatternBytes = 16'384;

enum class RegexMatch {
  kWhole,   // the whole text
  kSearch,  // some part of it, as JSON Schema has it
};
absl::StatusOr<CharAutomaton> ParseRegex(std::string_view pattern, RegexMatch match);

}  // namespace waferline::grammar
