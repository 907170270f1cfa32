#include "wafer_backend/compute/grammar/schema_rules.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/grammar/schema_values.h"

namespace waferline::grammar {

namespace json = boost::json;

absl::StatusOr<RuleId> SchemaRules::Whole() {
  const RuleId root = RuleFor({{&document_, "#"}});
  WL_RETURN_IF_ERROR(WriteRest());
  return root;
}

absl::Status SchemaRules::WriteRest() {
  while (!to_write_.empty() && !builder_->full()) {
    const auto [rule, nodes] = std::move(to_write_.back());
    to_write_.pop_back();
    WL_RETURN_IF_ERROR(Write(rule, nodes));
  }
  return absl::OkStatus();
}

RuleId SchemaRules::RuleFor(std::vector<SchemaNode> nodes) {
  std::sort(nodes.begin(), nodes.end());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  // What demands nothing is left out, so that all such values share a rule.
  std::erase_if(nodes, [](const SchemaNode& node) {
    if (node.schema->is_bool()) return node.schema->get_bool() != node.negated;
    return !node.negated && node.schema->is_object() && node.schema->get_object().empty();
  });
  const auto found = rules_.find(nodes);
  if (found != rules_.end()) return found->second;
  const RuleId rule = builder_->NewRule(nodes.empty() ? "any value" : nodes.front().pointer);
  rules_.emplace(nodes, rule);
  to_write_.emplace_back(rule, std::move(nodes));
  return rule;
}

absl::Status SchemaRules::Write(RuleId rule, const std::vector<SchemaNode>& nodes) {
  WL_ASSIGN_OR_RETURN(std::vector<SchemaFacts> alternatives, FactsOf(nodes, document_));
  const Rule states = builder_->rule(rule);
  for (SchemaFacts& facts : alternatives) {
    if (facts.pointer.empty() && !nodes.empty()) facts.pointer = nodes.front().pointer;
    if (facts.values) {
      WL_RETURN_IF_ERROR(WriteValues(facts, states.start, states.end));
    } else {
      WL_RETURN_IF_ERROR(WriteValue(facts, states.start, states.end));
    }
  }
  return absl::OkStatus();
}

absl::Status SchemaRules::WriteValues(const SchemaFacts& facts, StateId from, StateId to) {
  std::vector<std::string> texts;
  WL_ASSIGN_OR_RETURN(const Values values, SatisfyingOf(*facts.values, facts, document_));
  for (const json::value* value : values) texts.push_back(JsonText(*value, literals_));
  builder_->OneOf(from, texts, to);
  return CheckRoom(facts, "enum");
}

absl::Status SchemaRules::CheckRoom(const SchemaFacts& facts, std::string_view keyword) const {
  if (!builder_->full()) return absl::OkStatus();
  return SchemaError(facts.pointer, keyword,
                     absl::StrCat("asks for too much: the grammar is too large: more than ",
                                  kMaxStates, " states or ", kMaxEdges, " edges"));
}

absl::Status SchemaRules::WriteValue(const SchemaFacts& facts, StateId from, StateId to) {
  static const json::value kPlain[] = {nullptr, true, false};
  for (const json::value& one : kPlain) {
    WL_ASSIGN_OR_RETURN(const bool fits, Satisfies(facts, one, document_));
    if (fits) builder_->Literal(from, JsonText(one, literals_), to);
  }
  if ((facts.types & (kInteger | kFraction)) != 0) {
    WL_RETURN_IF_ERROR(WriteNumber(facts, from, to));
    WL_RETURN_IF_ERROR(CheckRoom(facts, "multipleOf"));
  }
  if ((facts.types & kString) != 0) WL_RETURN_IF_ERROR(WriteString(facts, from, to));
  WL_RETURN_IF_ERROR(CheckRoom(facts, "pattern"));
  WL_RETURN_IF_ERROR(CheckExcluded(facts));
  if ((facts.types & kArray) != 0) WL_RETURN_IF_ERROR(WriteArray(facts, from, to));
  WL_RETURN_IF_ERROR(CheckRoom(facts, "items"));
  if ((facts.types & kObject) != 0) WL_RETURN_IF_ERROR(WriteObject(facts, from, to));
  return CheckRoom(facts, "properties");
}

// Arrays and objects cannot be left out one by one.
absl::Status SchemaRules::CheckExcluded(const SchemaFacts& facts) const {
  SchemaFacts others = facts;
  others.excluded.clear();
  for (const json::value* value : facts.excluded) {
    if (!value->is_array() && !value->is_object()) continue;
    WL_ASSIGN_OR_RETURN(const bool fits, Satisfies(others, *value, document_));
    if (!fits) continue;
    return absl::InvalidArgumentError(absl::StrCat("'not' leads to ", facts.excluded_pointer,
                                                   ", which has an array or object: that one "
                                                   "cannot be left out"));
  }
  return absl::OkStatus();
}

absl::Status SchemaRules::WriteNumber(const SchemaFacts& facts, StateId from, StateId to) {
  NumberSpec spec;
  spec.integer = (facts.types & kFraction) == 0;
  spec.min = facts.min;
  spec.max = facts.max;
  spec.multiple_of = facts.multiple_of;
  spec.no_multiple_of = facts.no_multiple_of;
  if ((facts.types & kInteger) == 0) spec.no_multiple_of.push_back({});
  for (const json::value* value : facts.excluded) {
    if (!value->is_number()) continue;
    if (auto text = DecimalText(*value)) spec.excluded.push_back(*std::move(text));
  }
  const auto write = [&](StateId start, StateId end) -> absl::Status {
    const auto texts = NumberTexts(spec);
    if (!texts.ok()) {
      return SchemaError(facts.pointer, "minimum", Std(texts.status().message()));
    }
    // Digits are the same in a string and outside.
    strings_->Add(*texts, start, end);
    return absl::OkStatus();
  };
  if (spec.min || spec.max || spec.multiple_of || !spec.no_multiple_of.empty() ||
      !spec.excluded.empty()) {
    return write(from, to);
  }
  const auto [entry, added] = plain_.try_emplace(spec.integer ? "integer" : "number", 0);
  if (added) {
    entry->second = builder_->NewRule(entry->first);
    const Rule rule = builder_->rule(entry->second);
    WL_RETURN_IF_ERROR(write(rule.start, rule.end));
  }
  builder_->Call(from, entry->second, to);
  return absl::OkStatus();
}

void SchemaRules::Quoted(const CharAutomaton& texts, StateId from, StateId to) {
  const StateId start = builder_->NewState(), end = builder_->NewState();
  builder_->Bytes(from, '"', '"', start);
  strings_->Add(texts, start, end);
  builder_->Counted(start);
  builder_->Bytes(end, '"', '"', to);
}

absl::Status SchemaRules::WriteString(const SchemaFacts& facts, StateId from, StateId to) {
  if (!facts.texts.empty() || facts.min_length > 0 || facts.max_length != SchemaFacts::kNoMax ||
      !facts.excluded.empty()) {
    const auto texts = StringTexts(facts);
    if (!texts.ok()) return SchemaError(facts.pointer, "pattern", Std(texts.status().message()));
    Quoted(*texts, from, to);
    return absl::OkStatus();
  }
  const auto [entry, added] = plain_.try_emplace("string", 0);
  if (added) {
    entry->second = builder_->NewRule(entry->first);
    const Rule rule = builder_->rule(entry->second);
    Quoted(CharAutomaton::All(), rule.start, rule.end);
  }
  builder_->Call(from, entry->second, to);
  return absl::OkStatus();
}

void SchemaRules::Comma(StateId from, StateId to) {
  const StateId after = builder_->NewState();
  builder_->Bytes(from, ',', ',', after);
  builder_->Bytes(after, ' ', ' ', to);
  builder_->Jump(after, to);
}

}  // namespace waferline::grammar
