#include "wafer_backend/compute/grammar/numbers.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/grammar/regex.h"

namespace waferline::grammar {
namespace {

constexpr size_t kDoubleDigits = 15;  // decimal ones that every double keeps
constexpr size_t kFractionDigits = 6;

using NfaEdge = CharNfa::Edge;

// A bound without its sign: digits before and after the point, without zeros that say nothing.
struct Decimal {
  std::string whole, fraction;
  bool negative = false;
  bool zero() const { return whole == "0" && fraction.empty(); }
};

Decimal DecimalOf(std::string_view text) {
  Decimal out;
  out.negative = text.starts_with('-');
  if (out.negative) text.remove_prefix(1);
  const size_t point = std::min(text.find('.'), text.size());
  out.whole = text.substr(0, point);
  out.fraction = point < text.size() ? text.substr(point + 1) : "";
  while (out.fraction.ends_with('0')) out.fraction.pop_back();
  if (out.zero()) out.negative = false;
  return out;
}

// The texts of numbers that are not negative and larger (or smaller) than a bound, by digits: first
// by how many there are before the point, then digit by digit, the first difference decides.
class Comparison {
 public:
  Comparison(const Decimal& bound, bool larger, bool equal_too)
      : bound_(bound), larger_(larger), equal_too_(equal_too) {}

  absl::StatusOr<CharAutomaton> Texts() {
    const uint32_t start = nfa_.NewState();
    nfa_.accept = nfa_.NewState();
    const size_t n = bound_.whole.size();
    // More or fewer digits before the point.
    if (larger_) {
      uint32_t at = start;
      for (size_t i = 0; i <= n; ++i) at = Digit(at, '0', '9');
      nfa_.states[at].push_back({NfaEdge::kChars, {'0', '9'}, at});
      AnyFraction(at);
    } else {
      uint32_t at = start;
      for (size_t i = 0; i + 1 < n; ++i) {
        at = Digit(at, '0', '9');
        AnyFraction(at);
      }
    }
    uint32_t same = start;
    for (size_t i = 0; i < n; ++i) {
      uint32_t decided = Decided(same, bound_.whole[i]);
      for (size_t k = i + 1; k < n; ++k) decided = Digit(decided, '0', '9');
      AnyFraction(decided);
      same = Digit(same, bound_.whole[i], bound_.whole[i]);
    }
    Fraction(same);
    return CharAutomaton::From(nfa_);
  }

 private:
  uint32_t Digit(uint32_t from, char lo, char hi) {
    const uint32_t to = nfa_.NewState();
    const CharRange range = {static_cast<uint32_t>(lo), static_cast<uint32_t>(hi)};
    if (lo <= hi) nfa_.states[from].push_back({NfaEdge::kChars, range, to});
    return to;
  }
  // A digit by which the number is on the right side.
  uint32_t Decided(uint32_t from, char digit) {
    return larger_ ? Digit(from, static_cast<char>(digit + 1), '9')
                   : Digit(from, '0', static_cast<char>(digit - 1));
  }
  void Accept(uint32_t state) { nfa_.states[state].push_back({NfaEdge::kEmpty, {}, nfa_.accept}); }
  void AnyDigits(uint32_t state) {
    Accept(state);
    nfa_.states[state].push_back({NfaEdge::kChars, {'0', '9'}, state});
  }
  void AnyFraction(uint32_t state) {
    Accept(state);
    AnyDigits(Digit(state, '.', '.'));
  }
  // Behind a whole part that is the bound's. A text that ends early goes on with zeros in value.
  void Fraction(uint32_t same) {
    const std::string& digits = bound_.fraction;
    if (Done(digits)) Accept(same);
    same = Digit(same, '.', '.');
    for (size_t i = 0; i < digits.size(); ++i) {
      AnyDigits(Decided(same, digits[i]));
      same = Digit(same, digits[i], digits[i]);
      if (Done(std::string_view(digits).substr(i + 1))) Accept(same);
    }
    // Beyond the bound's digits: zeros are equal, another one makes it larger.
    if (equal_too_) Accept(same);
    nfa_.states[same].push_back({NfaEdge::kChars, {'0', '0'}, same});
    if (larger_) AnyDigits(Digit(same, '1', '9'));
  }
  // Whether a number that ends before these digits of the bound is on the right side.
  bool Done(std::string_view left) const {
    return left.empty() ? equal_too_ : !larger_;  // they do not end with a zero
  }

  const Decimal bound_;
  const bool larger_, equal_too_;
  CharNfa nfa_;
};

// Numbers that are not negative between two bounds, where there are any.
struct Side {
  std::optional<std::pair<Decimal, bool>> min, max;  // the flag: inclusive
};

// How many digits a number may have before the point.
size_t WholeDigits(const Side& side) {
  size_t digits = kDoubleDigits;
  if (side.min) {
    const auto& [bound, inclusive] = *side.min;
    // What is above 99 has another digit.
    const bool last = bound.whole.find_first_not_of('9') == std::string::npos &&
                      (!inclusive || !bound.fraction.empty());
    digits = std::max(digits, bound.whole.size() + (last ? 1 : 0));
  }
  if (side.max && side.max->first.whole.size() <= kMaxLongDigits) {
    digits = std::max(digits, side.max->first.whole.size());
  }
  return digits;
}

absl::StatusOr<CharAutomaton> SideTexts(const NumberSpec& spec, const Side& side) {
  size_t whole = 1, fraction = kFractionDigits;
  for (const auto* bound : {&side.min, &side.max}) {
    if (!*bound) continue;
    whole = std::max(whole, (*bound)->first.whole.size());
    fraction = std::max(fraction, (*bound)->first.fraction.size());
  }
  fraction = std::min(fraction, kDoubleDigits - std::min(whole, kDoubleDigits));
  // What may be no multiple or no certain value must not become one when it is rounded.
  const bool exact = spec.multiple_of || !spec.no_multiple_of.empty() || !spec.excluded.empty();
  const size_t longest = WholeDigits(side);
  const size_t digits =
      exact && !spec.integer && longest == kDoubleDigits ? kDoubleDigits - fraction : longest;
  if (longest > kDoubleDigits) fraction = 0;
  std::string pattern = absl::StrCat("(0|[1-9][0-9]{0,", std::max<size_t>(digits, 1) - 1, "})");
  if (!spec.integer && fraction > 0) absl::StrAppend(&pattern, "(\\.[0-9]{1,", fraction, "})?");
  WL_ASSIGN_OR_RETURN(CharAutomaton texts, ParseRegex(pattern, RegexMatch::kWhole));
  if (side.min) {
    WL_ASSIGN_OR_RETURN(const CharAutomaton above,
                        Comparison(side.min->first, true, side.min->second).Texts());
    WL_ASSIGN_OR_RETURN(texts, texts.And(above));
  }
  if (side.max) {
    WL_ASSIGN_OR_RETURN(const CharAutomaton below,
                        Comparison(side.max->first, false, side.max->second).Texts());
    WL_ASSIGN_OR_RETURN(texts, texts.And(below));
  }
  return texts;
}

// Every text of the excluded numbers of one sign, without it.
absl::StatusOr<CharAutomaton> ExcludedTexts(const NumberSpec& spec, bool negative) {
  CharNfa nfa;
  const uint32_t start = nfa.NewState();
  nfa.accept = nfa.NewState();
  const auto read = [&](uint32_t from, std::string_view text) {
    for (const char c : text) {
      const uint32_t to = nfa.NewState();
      const auto digit = static_cast<uint32_t>(c);
      nfa.states[from].push_back({NfaEdge::kChars, {digit, digit}, to});
      from = to;
    }
    return from;
  };
  for (const std::string& value : spec.excluded) {
    const Decimal number = DecimalOf(value);
    if (number.negative != negative) continue;
    uint32_t end = read(start, number.whole);
    if (number.fraction.empty()) nfa.states[end].push_back({NfaEdge::kEmpty, {}, nfa.accept});
    end = read(end, number.fraction.empty() ? ".0" : "." + number.fraction);
    nfa.states[end].push_back({NfaEdge::kEmpty, {}, nfa.accept});
    nfa.states[end].push_back({NfaEdge::kChars, {'0', '0'}, end});
  }
  return CharAutomaton::From(nfa);
}

// What is left of the texts of one sign when multiples and excluded numbers have been taken out.
absl::Status Restrict(const NumberSpec& spec, bool negative, CharAutomaton* texts) {
  if (spec.multiple_of) {
    WL_ASSIGN_OR_RETURN(*texts, texts->And(MultipleTexts(*spec.multiple_of)));
  }
  for (const Multiple& multiple : spec.no_multiple_of) {
    WL_ASSIGN_OR_RETURN(*texts, texts->And(MultipleTexts(multiple).Not()));
  }
  if (spec.excluded.empty()) return absl::OkStatus();
  WL_ASSIGN_OR_RETURN(const CharAutomaton excluded, ExcludedTexts(spec, negative));
  WL_ASSIGN_OR_RETURN(*texts, texts->And(excluded.Not()));
  return absl::OkStatus();
}

// `before` and then one of `texts`; or one of `other`.
absl::StatusOr<CharAutomaton> Either(const CharAutomaton& other, char before,
                                     const CharAutomaton& texts) {
  CharNfa nfa;
  const uint32_t start = nfa.NewState();
  nfa.accept = nfa.NewState();
  const auto add = [&](const CharAutomaton& one) {
    const auto base = static_cast<uint32_t>(nfa.states.size());
    for (size_t i = 0; i < one.states().size(); ++i) nfa.NewState();
    for (size_t i = 0; i < one.states().size(); ++i) {
      for (const auto& edge : one.states()[i].edges) {
        nfa.states[base + i].push_back({NfaEdge::kChars, edge.range, base + edge.to});
      }
      if (one.states()[i].accepts) {
        nfa.states[base + i].push_back({NfaEdge::kEmpty, {}, nfa.accept});
      }
    }
    return base;
  };
  if (!other.empty()) {
    const uint32_t first = add(other);
    nfa.states[start].push_back({NfaEdge::kEmpty, {}, first});
  }
  if (!texts.empty()) {
    const CharRange sign = {static_cast<uint32_t>(before), static_cast<uint32_t>(before)};
    const uint32_t first = add(texts);
    nfa.states[start].push_back({NfaEdge::kChars, sign, first});
  }
  return CharAutomaton::From(nfa);
}

}  // namespace

int CompareDecimals(std::string_view a, std::string_view b) {
  const Decimal x = DecimalOf(a), y = DecimalOf(b);
  if (x.negative != y.negative) return x.negative ? -1 : 1;
  const int longer = static_cast<int>(x.whole.size()) - static_cast<int>(y.whole.size());
  const int whole = longer != 0 ? longer : x.whole.compare(y.whole);
  const int order = whole != 0 ? whole : x.fraction.compare(y.fraction);
  return x.negative ? -order : order;
}

absl::StatusOr<CharAutomaton> NumberTexts(const NumberSpec& spec) {
  if (!spec.integer && !spec.min && !spec.max && !spec.multiple_of && spec.no_multiple_of.empty() &&
      spec.excluded.empty()) {
    return ParseRegex("-?(0|[1-9][0-9]{0,14})(\\.[0-9]{1,15})?([eE][+-]?(0|[1-9][0-9]?))?",
                      RegexMatch::kWhole);
  }
  // The numbers above zero, and those below it without their sign: there the bounds change places.
  Side above, below;
  bool any_above = true, any_below = true;
  const Decimal zero = DecimalOf("0");
  below.min = {zero, false};
  if (spec.min) {
    const Decimal bound = DecimalOf(spec.min->value);
    if (bound.negative) {
      below.max = {bound, spec.min->inclusive};
    } else {
      above.min = {bound, spec.min->inclusive};
      any_below = false;
    }
  }
  if (spec.max) {
    const Decimal bound = DecimalOf(spec.max->value);
    if (bound.negative) {
      below.min = {bound, spec.max->inclusive};
      any_above = false;
    } else {
      above.max = {bound, spec.max->inclusive};
    }
  }
  CharAutomaton positive, negative;
  if (any_above) {
    WL_ASSIGN_OR_RETURN(positive, SideTexts(spec, above));
  }
  if (any_below) {
    WL_ASSIGN_OR_RETURN(negative, SideTexts(spec, below));
  }
  WL_RETURN_IF_ERROR(Restrict(spec, false, &positive));
  WL_RETURN_IF_ERROR(Restrict(spec, true, &negative));
  return Either(positive, '-', negative);
}

}  // namespace waferline::grammar
