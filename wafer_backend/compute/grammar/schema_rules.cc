#include "wafer_backend/compute/grammar/schema_rules.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::grammar {
namespace {

namespace json = boost::json;

size_t CharactersOf(const json::string& text) { return CharsOf(ViewOf(text)).size(); }

bool InBounds(const SchemaFacts& facts, double number) {
  if (facts.min) {
    const double min = std::stod(facts.min->value);
    if (number < min || (number == min && !facts.min->inclusive)) return false;
  }
  if (facts.max) {
    const double max = std::stod(facts.max->value);
    if (number > max || (number == max && !facts.max->inclusive)) return false;
  }
  return std::fmod(number, static_cast<double>(facts.multiple_of)) == 0 || facts.multiple_of == 1;
}

// Whether a listed value satisfies the other facts, as far as they concern it.
absl::StatusOr<bool> Fits(const SchemaFacts& facts, const json::value& value) {
  if (value.is_null()) return (facts.types & kNull) != 0;
  if (value.is_bool()) return (facts.types & kBoolean) != 0;
  if (value.is_number()) {
    const auto number = value.to_number<double>();
    const bool whole = std::floor(number) == number;
    return (facts.types & (whole ? kInteger : kFraction)) != 0 && InBounds(facts, number);
  }
  if (value.is_string()) {
    const size_t length = CharactersOf(value.get_string());
    return (facts.types & kString) != 0 && length >= facts.min_length &&
           length <= facts.max_length &&
           std::all_of(facts.texts.begin(), facts.texts.end(), [&](const CharAutomaton& texts) {
             return texts.Contains(ViewOf(value.get_string()));
           });
  }
  const bool array = value.is_array();
  if ((facts.types & (array ? kArray : kObject)) == 0) return false;
  const bool restricted =
      array ? !facts.arrays.empty() || facts.min_items > 0 || facts.max_items != SchemaFacts::kNoMax
            : !facts.objects.empty() || !facts.required.empty() || !facts.names.empty() ||
                  facts.min_properties > 0 || facts.max_properties != SchemaFacts::kNoMax;
  if (!restricted) return true;
  return absl::InvalidArgumentError(absl::StrCat(
      "'enum' or 'const' at ", facts.values_pointer, " has an ", array ? "array" : "object",
      " and other keywords that restrict it: that is not supported"));
}

}  // namespace

absl::StatusOr<RuleId> SchemaRules::Whole() {
  const RuleId root = RuleFor({{&document_, "#"}});
  while (!to_write_.empty() && !builder_->full()) {
    const auto [rule, nodes] = std::move(to_write_.back());
    to_write_.pop_back();
    WL_RETURN_IF_ERROR(Write(rule, nodes));
  }
  return root;
}

RuleId SchemaRules::RuleFor(std::vector<SchemaNode> nodes) {
  std::sort(nodes.begin(), nodes.end());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  // What demands nothing is left out, so that all such values share a rule.
  std::erase_if(nodes, [](const SchemaNode& node) {
    return (node.schema->is_bool() && node.schema->get_bool()) ||
           (node.schema->is_object() && node.schema->get_object().empty());
  });
  const auto found = rules_.find(nodes);
  if (found != rules_.end()) return found->second;
  const RuleId rule = builder_->NewRule(nodes.empty() ? "any value" : nodes.front().pointer);
  rules_.emplace(nodes, rule);
  to_write_.emplace_back(rule, std::move(nodes));
  return rule;
}

absl::Status SchemaRules::Write(RuleId rule, const std::vector<SchemaNode>& nodes) {
  WL_ASSIGN_OR_RETURN(const std::vector<SchemaFacts> alternatives, FactsOf(nodes, document_));
  const Rule states = builder_->rule(rule);
  for (const SchemaFacts& facts : alternatives) {
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
  for (const json::value* value : *facts.values) {
    WL_ASSIGN_OR_RETURN(const bool fits, Fits(facts, *value));
    if (fits) texts.push_back(JsonText(*value));
  }
  builder_->OneOf(from, texts, to);
  return absl::OkStatus();
}

absl::Status SchemaRules::WriteValue(const SchemaFacts& facts, StateId from, StateId to) {
  if ((facts.types & kNull) != 0) builder_->Literal(from, "null", to);
  if ((facts.types & kBoolean) != 0) {
    builder_->Literal(from, "true", to);
    builder_->Literal(from, "false", to);
  }
  if ((facts.types & (kInteger | kFraction)) != 0) {
    WL_RETURN_IF_ERROR(WriteNumber(facts, from, to));
  }
  if ((facts.types & kString) != 0) WL_RETURN_IF_ERROR(WriteString(facts, from, to));
  if ((facts.types & kArray) != 0) WL_RETURN_IF_ERROR(WriteArray(facts, from, to));
  if ((facts.types & kObject) != 0) WL_RETURN_IF_ERROR(WriteObject(facts, from, to));
  return absl::OkStatus();
}

absl::Status SchemaRules::WriteNumber(const SchemaFacts& facts, StateId from, StateId to) {
  NumberSpec spec;
  spec.integer = (facts.types & kFraction) == 0;
  spec.min = facts.min;
  spec.max = facts.max;
  spec.multiple_of = facts.multiple_of;
  const auto write = [&](StateId start, StateId end) -> absl::Status {
    const auto texts = NumberTexts(spec);
    if (!texts.ok()) {
      return SchemaError(facts.pointer, "minimum", Std(texts.status().message()));
    }
    // Digits are the same in a string and outside.
    strings_->Add(*texts, start, end);
    return absl::OkStatus();
  };
  if (spec.min || spec.max || spec.multiple_of != 1) return write(from, to);
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
  builder_->Bytes(end, '"', '"', to);
}

absl::Status SchemaRules::WriteString(const SchemaFacts& facts, StateId from, StateId to) {
  if (!facts.texts.empty() || facts.min_length > 0 || facts.max_length != SchemaFacts::kNoMax) {
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

absl::Status SchemaRules::WriteArray(const SchemaFacts& facts, StateId from, StateId to) {
  if (facts.min_items > facts.max_items) return absl::OkStatus();
  size_t apart = facts.min_items;  // from here on all items are alike
  for (const ArrayView& view : facts.arrays) apart = std::max(apart, view.first.size());
  const bool bounded = facts.max_items != SchemaFacts::kNoMax;
  const size_t last = bounded ? facts.max_items : apart;
  const auto item_at = [&](size_t i) {
    std::vector<SchemaNode> nodes;
    for (const ArrayView& view : facts.arrays) {
      if (i < view.first.size()) {
        nodes.push_back(view.first[i]);
      } else if (view.others) {
        nodes.push_back(*view.others);
      }
    }
    return RuleFor(std::move(nodes));
  };
  StateId at = builder_->NewState();
  const StateId end = builder_->NewState();
  builder_->Bytes(from, '[', '[', at);
  builder_->Bytes(end, ']', ']', to);
  // A rule is looked for where items begin to differ or end to; in between it stays.
  RuleId item = 0;
  for (size_t i = 0; i <= last && !builder_->full(); ++i) {
    if (i >= facts.min_items) builder_->Jump(at, end);
    if (bounded && i == last) break;
    if (i == 0 || i <= apart) item = item_at(i);
    const StateId before = builder_->NewState();
    const StateId after = builder_->NewState();
    if (i == 0) {
      builder_->Jump(at, before);
    } else {
      Comma(at, before);
    }
    builder_->Call(before, item, after);
    if (!bounded && i == last) {
      // Any number more.
      if (i >= facts.min_items) builder_->Jump(after, end);
      Comma(after, before);
    }
    at = after;
  }
  return absl::OkStatus();
}

}  // namespace waferline::grammar
