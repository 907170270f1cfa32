// Grammars as text, in GBNF (llama.cpp grammars/README.md): rules `name ::= ...` with alternatives,
// groups, quoted texts, character classes in brackets, '.', the quantifiers * + ? {m} {m,} {m,n},
// and comments from '#'. The rule `root` is the whole text.
//
// InvalidArgument says at which line: what does not parse, a rule that is missing or defined twice.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/grammar/rules.h"
#include "wafer_backend/compute/grammar/text_rules.h"

namespace waferline::grammar {

inline constexpr size_t kMaxGrammarBytes = 256 * 1024;
// `utf8` writes UTF-8 into `builder`.
absl::StatusOr<RuleId> ParseGbnf(std::string_view text, RuleBuilder* builder, TextRules* utf8);

}  // namespace waferline::grammar
