// The multiples of NumberTexts.
#include <array>
#include <charconv>
#include <numeric>

#include "wafer_backend/compute/grammar/numbers.h"

namespace waferline::grammar {
namespace {

using NfaEdge = CharNfa::Edge;

}  // namespace

// Multiples by what is left when the digits so far are divided: the remainder and the number of
// digits behind the point are the state. Zeros may follow; whole digits have no end.
CharAutomaton MultipleTexts(const Multiple& multiple) {
  const auto units = static_cast<uint32_t>(multiple.units);
  const auto digits = static_cast<uint32_t>(multiple.digits);
  CharNfa nfa;
  // (whole digits), (0 to `digits` digits behind the point), (zeros behind those)
  const auto state = [&](uint32_t row, uint32_t rest) { return row * units + rest; };
  for (uint32_t i = 0; i < units * (digits + 2); ++i) nfa.NewState();
  const uint32_t zeros = nfa.NewState();
  nfa.accept = nfa.NewState();
  for (uint32_t row = 0; row <= digits + 1; ++row) {
    for (uint32_t rest = 0; rest < units; ++rest) {
      auto& edges = nfa.states[state(row, rest)];
      if (row == 0) edges.push_back({NfaEdge::kChars, {'.', '.'}, state(1, rest)});
      const uint32_t behind = row == 0 ? 0 : row - 1;
      uint64_t scaled = rest;
      for (uint32_t i = behind; i < digits; ++i) scaled = scaled * 10 % units;
      if (scaled == 0) edges.push_back({NfaEdge::kEmpty, {}, nfa.accept});
      if (row == digits + 1) {
        if (rest == 0) edges.push_back({NfaEdge::kChars, {'0', '0'}, zeros});
        continue;
      }
      for (uint32_t digit = 0; digit < 10; ++digit) {
        const CharRange range = {'0' + digit, '0' + digit};
        edges.push_back(
            {NfaEdge::kChars, range, state(row == 0 ? 0 : row + 1, (rest * 10 + digit) % units)});
      }
    }
  }
  nfa.states[zeros].push_back({NfaEdge::kChars, {'0', '0'}, zeros});
  nfa.states[zeros].push_back({NfaEdge::kEmpty, {}, nfa.accept});
  return CharAutomaton::From(nfa).value_or(CharAutomaton());
}

std::optional<Multiple> CommonMultiple(const Multiple& a, const Multiple& b) {
  const size_t digits = std::max(a.digits, b.digits);
  uint64_t x = a.units, y = b.units;
  for (size_t i = a.digits; i < digits; ++i) x *= 10;
  for (size_t i = b.digits; i < digits; ++i) y *= 10;
  Multiple both{std::lcm(x, y), digits};
  while (both.digits > 0 && both.units % 10 == 0) {
    both.units /= 10;
    --both.digits;
  }
  if (both.units > kMaxMultiple) return std::nullopt;
  return both;
}

std::optional<std::string> DecimalText(const boost::json::value& number) {
  if (number.is_int64()) return std::to_string(number.get_int64());
  if (number.is_uint64()) return std::to_string(number.get_uint64());
  std::array<char, 400> text;
  const auto end =
      std::to_chars(text.begin(), text.end(), number.get_double(), std::chars_format::fixed).ptr;
  if (end - text.begin() > 64) return std::nullopt;
  return std::string(text.begin(), end);
}

bool IsMultiple(std::string_view text, const Multiple& multiple) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return MultipleTexts(multiple).Contains(text);
}

}  // namespace waferline::grammar
