#include "wafer_backend/compute/grammar/character_classes.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/model/utf8.h"

namespace waferline::grammar {
namespace {

constexpr uint32_t kMaxCount = 20'000;

CharSet Digits() { return {{'0', '9'}}; }
CharSet WordChars() { return {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}; }
CharSet Spaces() { return {{'\t', '\r'}, {' ', ' '}}; }
// No digit of any script lies below U+0660 but the ASCII ones.
CharSet NoDigits() { return {{0, '0' - 1}, {'9' + 1, 0x65f}}; }
CharSet NoWordChars() {
  return {{0, '0' - 1}, {'9' + 1, 'A' - 1}, {'Z' + 1, '_' - 1}, {'`', '`'}, {'z' + 1, 0x7f}};
}
// Every character that some dialect counts as white space (Unicode's White_Space, ECMA's U+FEFF,
// Python's U+001C to U+001F) is left out.
CharSet NoSpaces() {
  return Others({{'\t', '\r'},
                 {0x1c, 0x20},
                 {0x85, 0x85},
                 {0xa0, 0xa0},
                 {0x1680, 0x1680},
                 {0x180e, 0x180e},
                 {0x2000, 0x200a},
                 {0x2028, 0x2029},
                 {0x202f, 0x202f},
                 {0x205f, 0x205f},
                 {0x3000, 0x3000},
                 {0xfeff, 0xfeff}});
}
// '.': all but line ends.
CharSet AnyChar() { return Others({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}); }

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsLetterOrDigit(uint32_t c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

}  // namespace

absl::Status PatternReader::Error(std::string_view what) const {
  return absl::InvalidArgumentError(
      absl::StrCat("at byte ", std::min(at_, pattern_.size()), " of the pattern: ", Absl(what)));
}

uint32_t PatternReader::TakeChar() {
  const std::string_view rest = pattern_.substr(at_);
  const model::Utf8Start start = model::StartOf(rest);
  at_ += start.length;
  if (start.kind != model::Utf8Start::kCharacter) return 0xfffd;
  return CharsOf(rest.substr(0, start.length))[0];
}

std::optional<uint32_t> PatternReader::TakeNumber() {
  if (done() || HexDigit(peek()) < 0 || HexDigit(peek()) > 9) return std::nullopt;
  uint32_t number = 0;
  while (!done() && peek() >= '0' && peek() <= '9') {
    number = std::min<uint32_t>(number * 10 + static_cast<uint32_t>(peek() - '0'), kMaxCount + 1);
    Skip();
  }
  return number;
}

absl::StatusOr<std::optional<std::pair<uint32_t, uint32_t>>> PatternReader::TakeCounts() {
  using Counts = std::optional<std::pair<uint32_t, uint32_t>>;
  const size_t back = at_;
  Skip();
  const auto min = TakeNumber();
  std::optional<uint32_t> max = min;
  if (min && Take(',')) max = peek() == '}' ? 0xffffffff : TakeNumber();
  if (!min || !max || !Take('}')) {
    at_ = back;
    return Error("'{' must begin a count, {n}, {n,} or {n,m}; write \\{ for the character");
  }
  if (*min > kMaxCount || (*max > kMaxCount && *max != 0xffffffff)) {
    return Error(absl::StrCat("a count is larger than ", kMaxCount));
  }
  if (*min > *max) return Error("a count's first number is larger than its second");
  return Counts({*min, *max});
}

absl::StatusOr<CharSet> PatternReader::TakeCharacters() {
  switch (peek()) {
    case '*':
    case '+':
    case '?':
      return Error("a quantifier has nothing before it");
    case '{':
      return Error("'{' has nothing before it; write \\{ for the character");
    case '.':
      Skip();
      return AnyChar();
    case '[':
      Skip();
      return TakeClass();
    case '\\':
      Skip();
      return TakeEscape(/*in_class=*/false);
    default: {
      const uint32_t c = TakeChar();
      return CharSet{{c, c}};
    }
  }
}

absl::StatusOr<CharSet> PatternReader::TakeClass() {
  const bool others = Take('^');
  CharSet set;
  while (!Take(']')) {
    if (done()) return Error("a class is not closed by ']'");
    CharSet one;
    if (Take('\\')) {
      WL_ASSIGN_OR_RETURN(one, TakeEscape(/*in_class=*/true));
    } else {
      const uint32_t c = TakeChar();
      one = {{c, c}};
    }
    const bool single = one.size() == 1 && one[0].lo == one[0].hi;
    // A '-' between two characters is a range; first, last, or next to a class it is itself.
    if (single && peek() == '-' && at_ + 1 < pattern_.size() && pattern_[at_ + 1] != ']') {
      Skip();
      CharSet last;
      if (Take('\\')) {
        WL_ASSIGN_OR_RETURN(last, TakeEscape(/*in_class=*/true));
      } else {
        const uint32_t c = TakeChar();
        last = {{c, c}};
      }
      if (last.size() != 1 || last[0].lo != last[0].hi || last[0].lo < one[0].lo) {
        return Error("a range in a class must go from a character to a later one");
      }
      one[0].hi = last[0].lo;
    }
    set.insert(set.end(), one.begin(), one.end());
  }
  return others ? Others(set) : Normal(std::move(set));
}

absl::StatusOr<uint32_t> PatternReader::TakeHex(size_t digits) {
  uint32_t value = 0;
  for (size_t i = 0; i < digits; ++i) {
    const int digit = HexDigit(peek());
    if (done() || digit < 0) return Error(absl::StrCat("an escape needs ", digits, " hex digits"));
    value = value * 16 + static_cast<uint32_t>(digit);
    Skip();
  }
  return value;
}

absl::StatusOr<uint32_t> PatternReader::TakeUnicode() {
  if (Take('{')) {
    uint32_t value = 0;
    while (!done() && HexDigit(peek()) >= 0 && value <= kLastChar) {
      value = value * 16 + static_cast<uint32_t>(HexDigit(peek()));
      Skip();
    }
    if (!Take('}') || value > kLastChar) return Error("\\u{...} must be a character's number");
    return value;
  }
  WL_ASSIGN_OR_RETURN(const uint32_t first, TakeHex(4));
  if (first < 0xd800 || first > 0xdbff) return first;
  // A pair of surrogates is one character.
  if (!Take('\\') || !Take('u')) return Error("a high surrogate needs a low one after it");
  WL_ASSIGN_OR_RETURN(const uint32_t second, TakeHex(4));
  if (second < 0xdc00 || second > 0xdfff) return Error("a high surrogate needs a low one after it");
  return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
}

absl::StatusOr<CharSet> PatternReader::TakeEscape(bool in_class) {
  if (done()) return Error("the pattern ends with a backslash");
  const uint32_t c = TakeChar();
  const auto one = [](uint32_t value) { return CharSet{{value, value}}; };
  switch (c) {
    case 'd':
      return Digits();
    case 'w':
      return WordChars();
    case 's':
      return Spaces();
    case 'D':
      return NoDigits();
    case 'W':
      return NoWordChars();
    case 'S':
      return NoSpaces();
    case 'n':
      return one('\n');
    case 't':
      return one('\t');
    case 'r':
      return one('\r');
    case 'f':
      return one('\f');
    case 'v':
      return one('\v');
    case '0':
      return one(0);
    case 'x': {
      WL_ASSIGN_OR_RETURN(const uint32_t value, TakeHex(2));
      return one(value);
    }
    case 'u': {
      WL_ASSIGN_OR_RETURN(const uint32_t value, TakeUnicode());
      return one(value);
    }
    case 'b':
      if (in_class) return one('\b');
      [[fallthrough]];
    case 'B':
      return Error("word boundaries (\\b, \\B) are not supported");
    case 'p':
    case 'P':
      return Error("Unicode properties (\\p, \\P) are not supported; write ranges");
    default:
      break;
  }
  if (c >= '1' && c <= '9') return Error("back-references are not supported");
  if (IsLetterOrDigit(c)) return Error("an escape of this letter is not known");
  return one(c);
}

}  // namespace waferline::grammar
