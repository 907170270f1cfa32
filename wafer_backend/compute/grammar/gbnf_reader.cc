#include "wafer_backend/compute/grammar/gbnf_reader.h"

#include <algorithm>

#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/utf8.h"

namespace waferline::grammar {
namespace {

bool IsNameChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

}  // namespace

void GbnfReader::SkipSpace(bool lines) {
  while (!done()) {
    if (peek() == '#') {
      while (!done() && peek() != '\n') ++at_;
    } else if (peek() == '\n' && lines) {
      ++line_;
      ++at_;
    } else if (peek() == ' ' || peek() == '\t' || peek() == '\r') {
      ++at_;
    } else {
      return;
    }
  }
}

std::string GbnfReader::TakeName() {
  const size_t begin = at_;
  while (IsNameChar(peek())) ++at_;
  return std::string(text_.substr(begin, at_ - begin));
}

std::optional<uint32_t> GbnfReader::TakeNumber() {
  if (peek() < '0' || peek() > '9') return std::nullopt;
  uint32_t number = 0;
  for (; peek() >= '0' && peek() <= '9'; ++at_) {
    number = std::min(number * 10 + static_cast<uint32_t>(peek() - '0'), kMaxItemCount + 1);
  }
  return number;
}

absl::StatusOr<std::pair<uint32_t, uint32_t>> GbnfReader::TakeQuantifier() {
  using Counts = std::pair<uint32_t, uint32_t>;
  if (Take("*")) return Counts(0, kAnyCount);
  if (Take("+")) return Counts(1, kAnyCount);
  if (Take("?")) return Counts(0, 1);
  if (!Take("{")) return Counts(1, 1);
  SkipSpace(true);
  const auto min = TakeNumber();
  std::optional<uint32_t> max = min;
  SkipSpace(true);
  if (min && Take(",")) {
    SkipSpace(true);
    max = peek() == '}' ? kAnyCount : TakeNumber();
    SkipSpace(true);
  }
  if (!min || !max || !Take("}")) return Error("a count must be {m}, {m,} or {m,n}");
  if (*min > kMaxItemCount || (*max > kMaxItemCount && *max != kAnyCount)) {
    return Error(absl::StrCat("a count is larger than ", kMaxItemCount));
  }
  if (*min > *max) return Error("a count's first number is larger than its second");
  return Counts(*min, *max);
}

absl::StatusOr<uint32_t> GbnfReader::TakeCharacter(char closing) {
  if (done() || peek() == '\n') {
    return Error(absl::StrCat("'", std::string(1, closing), "' is missing before the line's end"));
  }
  if (!Take("\\")) {
    const std::string_view rest = text_.substr(at_);
    const model::Utf8Start start = model::StartOf(rest);
    if (start.kind != model::Utf8Start::kCharacter) return Error("a character is not UTF-8");
    at_ += start.length;
    return CharsOf(rest.substr(0, start.length))[0];
  }
  const char kind = peek();
  ++at_;
  size_t digits = 0;
  switch (kind) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'x':
      digits = 2;
      break;
    case 'u':
      digits = 4;
      break;
    case 'U':
      digits = 8;
      break;
    case '"':
    case '\\':
    case '[':
    case ']':
    case '-':
    case '^':
    case '/':
      return static_cast<unsigned char>(kind);
    default:
      return Error(
          "an escape must be one of \\n \\r \\t \\xHH \\uHHHH \\UHHHHHHHH \\\" \\\\ \\[ \\]");
  }
  uint64_t value = 0;
  for (size_t i = 0; i < digits; ++i, ++at_) {
    const char c = peek();
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return Error(absl::StrCat("an escape needs ", digits, " hex digits"));
    value = value * 16 + static_cast<uint64_t>(digit);
  }
  if (value > kLastChar) return Error("an escape is beyond the last character, 10FFFF");
  return static_cast<uint32_t>(value);
}

absl::StatusOr<CharSet> GbnfReader::TakeClass() {
  const bool others = Take("^");
  CharSet set;
  while (!Take("]")) {
    WL_ASSIGN_OR_RETURN(const uint32_t first, TakeCharacter(']'));
    uint32_t last = first;
    if (peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
      ++at_;
      WL_ASSIGN_OR_RETURN(last, TakeCharacter(']'));
      if (last < first) return Error("a range in a class goes backwards");
    }
    set.push_back({first, last});
  }
  return others ? Others(set) : Normal(std::move(set));
}

}  // namespace waferline::grammar
