#include "wafer_backend/compute/grammar/gbnf.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/grammar/gbnf_reader.h"

namespace waferline::grammar {
namespace {

constexpr int kMaxGroups = 100;

class GbnfParser : private GbnfReader {
 public:
  GbnfParser(std::string_view text, RuleBuilder* builder, TextRules* utf8)
      : GbnfReader(text), builder_(builder), utf8_(utf8) {}

  absl::StatusOr<RuleId> Parse();

 private:
  struct Named {
    RuleId id;
    int used_in_line = 0;
    bool defined = false;
  };

  Named& Find(const std::string& name);
  // A rule ends at its line's end, unless a group is open or the next line begins with '|'.
  bool AtRuleEnd(int depth);

  absl::Status ParseAlternatives(int depth, StateId from, StateId to);
  absl::Status ParseItem(int depth, StateId from, StateId to);
  // What one item stands for, between two states.
  absl::Status ParseAtom(int depth, StateId from, StateId to);

  RuleBuilder* const builder_;
  TextRules* const utf8_;
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
  const StateId first = builder_->NewState();
  builder_->Jump(at, first);
  at = first;
  for (uint32_t i = 0; i < apart; ++i) {
    if (i >= min) builder_->Jump(at, to);
    const StateId next = builder_->NewState();
    builder_->Call(at, item, next);
    at = next;
  }
  builder_->Counted(first);
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

}  // namespace

absl::StatusOr<RuleId> ParseGbnf(std::string_view text, RuleBuilder* builder, TextRules* utf8) {
  if (text.size() > kMaxGrammarBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the grammar has more than ", kMaxGrammarBytes, " bytes"));
  }
  return GbnfParser(text, builder, utf8).Parse();
}

}  // namespace waferline::grammar
