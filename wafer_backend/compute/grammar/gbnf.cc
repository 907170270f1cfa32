#include "wafer_backend/compute/grammar/gbnf.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/model/utf8.h"

namespace waferline::grammar {
namespace {

constexpr int kMaxGroups = 100;
constexpr uint32_t kMaxItemCount = 2000;
constexpr uint32_t kAnyCount = 0xffffffff;

bool IsNameChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

class GbnfParser {
 public:
  GbnfParser(std::string_view text, RuleBuilder* builder, TextRules* utf8)
      : text_(text), builder_(builder), utf8_(utf8) {}

  absl::StatusOr<RuleId> Parse();

 private:
  struct Named {
    RuleId id;
    int used_in_line = 0;
    bool defined = false;
  };

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool done() const { return at_ >= text_.size(); }
  bool Take(std::string_view text) {
    if (!text_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }
  absl::Status Error(std::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrCat("in line ", line_, " of the grammar: ", Absl(what)));
  }
  // Spaces and comments; also line ends, if `lines`.
  void SkipSpace(bool lines);
  std::string TakeName();
  Named& Find(const std::string& name);
  // A rule ends at its line's end, unless a group is open or the next line begins with '|'.
  bool AtRuleEnd(int depth);

  absl::Status ParseAlternatives(int depth, StateId from, StateId to);
  absl::Status ParseItem(int depth, StateId from, StateId to);
  // What one item stands for, between two states.
  absl::Status ParseAtom(int depth, StateId from, StateId to);
  absl::StatusOr<std::pair<uint32_t, uint32_t>> TakeQuantifier();
  absl::StatusOr<uint32_t> TakeCharacter(char closing);
  absl::StatusOr<CharSet> TakeClass();
  std::optional<uint32_t> TakeNumber();

  std::string_view text_;
  RuleBuilder* const builder_;
  TextRules* const utf8_;
  size_t at_ = 0;
  int line_ = 1;
  std::map<std::string, Named> rules_;
};

absl::StatusOr<RuleId> GbnfParser::Parse() {
  SkipSpace(true);
  while (!done()) {
    const std::string name = TakeName();
    if (name.empty()) return Error("a rule must begin with its name");
    SkipSpace(false);
    if (!Take("::=")) return Error(absl::StrCat("'::=' must follow the name ", name));
    Named& named = Find(name);
    if (std::exchange(named.defined, true)) {
      return Error(absl::StrCat("the rule ", name, " is defined twice"));
    }
    const Rule rule = builder_->rule(named.id);
    SkipSpace(true);
    WL_RETURN_IF_ERROR(ParseAlternatives(0, rule.start, rule.end));
    SkipSpace(true);
  }
  for (const auto& [name, named] : rules_) {
    if (named.defined) continue;
    line_ = named.used_in_line;
    return Error(absl::StrCat("the rule ", name, " is used and not defined"));
  }
  const auto root = rules_.find("root");
  if (root == rules_.end()) {
    return absl::InvalidArgumentError("the grammar has no rule root, which is the whole text");
  }
  return root->second.id;
}

void GbnfParser::SkipSpace(bool lines) {
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

std::string GbnfParser::TakeName() {
  const size_t begin = at_;
  while (IsNameChar(peek())) ++at_;
  return std::string(text_.substr(begin, at_ - begin));
}

GbnfParser::Named& GbnfParser::Find(const std::string& name) {
  const auto [entry, added] = rules_.try_emplace(name);
  if (added) entry->second = {builder_->NewRule(name), line_, false};
  return entry->second;
}

bool GbnfParser::AtRuleEnd(int depth) {
  SkipSpace(depth > 0);
  if (done() || peek() == '|' || peek() == ')') return true;
  if (peek() != '\n') return false;
  const size_t back = at_;
  const int back_line = line_;
  SkipSpace(true);
  if (peek() == '|') return true;
  at_ = back;
  line_ = back_line;
  return true;
}

absl::Status GbnfParser::ParseAlternatives(int depth, StateId from, StateId to) {
  if (depth > kMaxGroups) return Error(absl::StrCat("more than ", kMaxGroups, " groups deep"));
  do {
    SkipSpace(true);
    StateId at = builder_->NewState();
    builder_->Jump(from, at);
    while (!AtRuleEnd(depth)) {
      const StateId next = builder_->NewState();
      WL_RETURN_IF_ERROR(ParseItem(depth, at, next));
      at = next;
    }
    builder_->Jump(at, to);
  } while (Take("|"));
  return absl::OkStatus();
}

absl::Status GbnfParser::ParseItem(int depth, StateId from, StateId to) {
  // The item is a rule of its own only if it comes more than once.
  const size_t begin = at_;
  const StateId start = builder_->NewState(), end = builder_->NewState();
  WL_RETURN_IF_ERROR(ParseAtom(depth, start, end));
  const size_t item_bytes = at_ - begin;
  WL_ASSIGN_OR_RETURN(const auto quantifier, TakeQuantifier());
  const auto [min, max] = quantifier;
  if (max <= 1) {
    if (max == 0) return builder_->Jump(from, to), absl::OkStatus();
    builder_->Jump(from, start);
    builder_->Jump(end, to);
    if (min == 0) builder_->Jump(from, to);
    return absl::OkStatus();
  }
  const RuleId item =
      builder_->NewRule(std::string(text_.substr(begin, std::min<size_t>(item_bytes, 40))));
  const Rule rule = builder_->rule(item);
  builder_->Jump(rule.start, start);
  builder_->Jump(end, rule.end);
  StateId at = from;
  const uint32_t apart = max == kAnyCount ? min : max;
  for (uint32_t i = 0; i < apart; ++i) {
    if (i >= min) builder_->Jump(at, to);
    const StateId next = builder_->NewState();
    builder_->Call(at, item, next);
    at = next;
  }
  builder_->Jump(at, to);
  if (max == kAnyCount) {
    const StateId loop = builder_->NewState();
    builder_->Jump(at, loop);
    builder_->Call(loop, item, loop);
    builder_->Jump(loop, to);
  }
  return absl::OkStatus();
}

absl::Status GbnfParser::ParseAtom(int depth, StateId from, StateId to) {
  if (Take("(")) {
    WL_RETURN_IF_ERROR(ParseAlternatives(depth + 1, from, to));
    SkipSpace(true);
    return Take(")") ? absl::OkStatus() : Error("a group is not closed by ')'");
  }
  if (Take("\"")) {
    while (!Take("\"")) {
      WL_ASSIGN_OR_RETURN(const uint32_t c, TakeCharacter('"'));
      const StateId next = builder_->NewState();
      utf8_->AddChars({{c, c}}, from, next);
      from = next;
    }
    builder_->Jump(from, to);
    return absl::OkStatus();
  }
  if (Take("[")) {
    WL_ASSIGN_OR_RETURN(const CharSet set, TakeClass());
    utf8_->AddChars(set, from, to);
    return absl::OkStatus();
  }
  if (Take(".")) {
    utf8_->AddChars({{0, kLastChar}}, from, to);
    return absl::OkStatus();
  }
  const std::string name = TakeName();
  if (name.empty()) {
    return Error(
        absl::StrCat("expected a rule's name, a text in quotes, a class, '.' or '(', not '",
                     Absl(text_.substr(at_, 1)), "'"));
  }
  builder_->Call(from, Find(name).id, to);
  return absl::OkStatus();
}

std::optional<uint32_t> GbnfParser::TakeNumber() {
  if (peek() < '0' || peek() > '9') return std::nullopt;
  uint32_t number = 0;
  for (; peek() >= '0' && peek() <= '9'; ++at_) {
    number = std::min(number * 10 + static_cast<uint32_t>(peek() - '0'), kMaxItemCount + 1);
  }
  return number;
}

absl::StatusOr<std::pair<uint32_t, uint32_t>> GbnfParser::TakeQuantifier() {
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

absl::StatusOr<uint32_t> GbnfParser::TakeCharacter(char closing) {
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

absl::StatusOr<CharSet> GbnfParser::TakeClass() {
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

}  // namespace

absl::StatusOr<RuleId> ParseGbnf(std::string_view text, RuleBuilder* builder, TextRules* utf8) {
  if (text.size() > kMaxGrammarBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the grammar has more than ", kMaxGrammarBytes, " bytes"));
  }
  return GbnfParser(text, builder, utf8).Parse();
}

}  // namespace waferline::grammar
