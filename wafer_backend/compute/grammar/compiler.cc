#include "wafer_backend/compute/grammar/compiler.h"

#include <algorithm>
#include <boost/json/object.hpp>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/grammar/compiled_grammar.h"
#include "wafer_backend/compute/grammar/gbnf.h"
#include "wafer_backend/compute/grammar/regex.h"
#include "wafer_backend/compute/grammar/schema_rules.h"
#include "wafer_backend/compute/grammar/text_rules.h"
#include "wafer_backend/compute/grammar/work_meter.h"

namespace waferline::grammar {
namespace {

// Equal specs have equal keys, and different ones different keys.
std::string KeyOf(const GrammarSpec& spec) {
  std::string key(1, static_cast<char>('0' + static_cast<int>(spec.kind)));
  if (spec.kind == GrammarSpec::Kind::kJsonSchema) key += JsonText(spec.schema);
  key += spec.text;
  for (const std::string& choice : spec.choices) absl::StrAppend(&key, choice.size(), ":", choice);
  if (spec.calls != nullptr) {
    const ToolCalls& calls = *spec.calls;
    absl::StrAppend(&key, calls.form.name, calls.text_allowed ? "t" : "c",
                    calls.several ? "s" : "1");
    for (const ToolCalls::Tool& tool : calls.tools) {
      absl::StrAppend(&key, ",", tool.name, ":", JsonText(tool.arguments));
    }
  }
  if (spec.answer != nullptr) absl::StrAppend(&key, "|", KeyOf(*spec.answer));
  return key;
}

absl::StatusOr<RuleId> WriteSchema(const boost::json::value& schema, RuleBuilder* builder) {
  if (!schema.is_object() && !schema.is_bool()) {
    return absl::InvalidArgumentError("a JSON schema must be an object, true or false");
  }
  TextRules strings(builder, TextRules::Writing::kJsonString);
  return SchemaRules(builder, &strings, schema).Whole();
}

absl::StatusOr<RuleId> WriteRegex(const std::string& pattern, RuleBuilder* builder) {
  WL_ASSIGN_OR_RETURN(const CharAutomaton texts, ParseRegex(pattern, RegexMatch::kWhole));
  const RuleId rule = builder->NewRule("regex");
  TextRules(builder, TextRules::Writing::kUtf8)
      .Add(texts, builder->rule(rule).start, builder->rule(rule).end);
  builder->Counted(builder->rule(rule).start);
  return rule;
}

absl::StatusOr<RuleId> WriteChoice(const std::vector<std::string>& choices, RuleBuilder* builder) {
  if (choices.empty() || choices.size() > GrammarCompiler::kMaxChoices) {
    return absl::InvalidArgumentError(
        absl::StrCat("there must be from 1 to ", GrammarCompiler::kMaxChoices, " choices"));
  }
  const RuleId rule = builder->NewRule("choice");
  builder->OneOf(builder->rule(rule).start, choices, builder->rule(rule).end);
  return rule;
}

absl::StatusOr<RuleId> WriteRules(const GrammarSpec& spec, RuleBuilder* builder) {
  switch (spec.kind) {
    case GrammarSpec::Kind::kJsonSchema:
      return WriteSchema(spec.schema, builder);
    case GrammarSpec::Kind::kJsonObject: {
      const boost::json::value schema = boost::json::object({{"type", "object"}});
      return WriteSchema(schema, builder);
    }
    case GrammarSpec::Kind::kRegex:
      return WriteRegex(spec.text, builder);
    case GrammarSpec::Kind::kChoice:
      return WriteChoice(spec.choices, builder);
    case GrammarSpec::Kind::kToolCalls: {
      if (spec.answer == nullptr) return WriteToolCalls(*spec.calls, nullptr, builder);
      WL_ASSIGN_OR_RETURN(const RuleId answer, WriteRules(*spec.answer, builder));
      return WriteToolCalls(*spec.calls, &answer, builder);
    }
    case GrammarSpec::Kind::kGbnf: {
      TextRules utf8(builder, TextRules::Writing::kUtf8);
      return ParseGbnf(spec.text, builder, &utf8);
    }
  }
  return absl::InternalError("no such kind of grammar");
}

}  // namespace

std::shared_ptr<const VocabularyTries> GrammarCompiler::Vocabulary() const {
  const MutexLock lock(&vocabulary_mutex_);
  if (vocabulary_ == nullptr) vocabulary_ = std::make_shared<const VocabularyTries>(*tokenizer_);
  return vocabulary_;
}

std::shared_ptr<const TokenConstraint> GrammarCompiler::FindKey(const std::string& key) const {
  const MutexLock lock(&mutex_);
  const auto found =
      std::find_if(kept_.begin(), kept_.end(), [&](const Kept& one) { return one.first == key; });
  if (found == kept_.end()) return nullptr;
  kept_.splice(kept_.begin(), kept_, found);
  return found->second;
}

std::shared_ptr<const TokenConstraint> GrammarCompiler::Find(const GrammarSpec& spec) const {
  return FindKey(KeyOf(spec));
}

absl::StatusOr<std::shared_ptr<const TokenConstraint>> GrammarCompiler::Compile(
    const GrammarSpec& spec) const {
  if (tokenizer_->end_ids().empty()) {
    return absl::FailedPreconditionError(
        "this model has no end token, so its answers cannot be constrained");
  }
  std::string key = KeyOf(spec);
  if (key.size() > kMaxSourceBytes) {
    return absl::InvalidArgumentError(absl::StrCat("has more than ", kMaxSourceBytes, " bytes"));
  }
  if (auto kept = FindKey(key)) return kept;
  const auto vocabulary = Vocabulary();
  const WorkMeter meter;
  RuleBuilder builder;
  WL_ASSIGN_OR_RETURN(const RuleId root, WriteRules(spec, &builder));
  WL_ASSIGN_OR_RETURN(Rules rules, builder.Finish(root, vocabulary->single_bytes()));
  auto compiled = std::make_shared<const CompiledGrammar>(std::move(rules), vocabulary);
  if (!compiled->start_is_whole()) {
    return absl::InvalidArgumentError(absl::StrCat("can begin in more than ", Machine::kMaxTops,
                                                   " ways, or after more than ", Machine::kMaxSeen,
                                                   " parts that may be empty; make it simpler"));
  }
  const MutexLock lock(&mutex_);
  kept_.emplace_front(std::move(key), compiled);
  if (kept_.size() > kMaxKept) kept_.pop_back();
  return std::shared_ptr<const TokenConstraint>(std::move(compiled));
}

}  // namespace waferline::grammar
