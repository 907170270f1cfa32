// The tagged objects of SchemaRules: arguments of calls that are not JSON.
#include <algorithm>

#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/grammar/schema_rules.h"
#include "wafer_backend/compute/grammar/schema_values.h"

namespace waferline::grammar {
namespace {

// All texts without a part that is `mark`.
absl::StatusOr<CharAutomaton> Without(std::string_view mark) {
  CharNfa nfa;
  uint32_t at = nfa.NewState();
  nfa.states[at].push_back({CharNfa::Edge::kChars, {0, kLastChar}, at});
  for (const uint32_t c : CharsOf(mark)) {
    const uint32_t next = nfa.NewState();
    nfa.states[at].push_back({CharNfa::Edge::kChars, {c, c}, next});
    at = next;
  }
  nfa.states[at].push_back({CharNfa::Edge::kChars, {0, kLastChar}, at});
  nfa.accept = at;
  WL_ASSIGN_OR_RETURN(const CharAutomaton with, CharAutomaton::From(nfa));
  return with.Not();
}

}  // namespace

absl::StatusOr<RuleId> SchemaRules::WholeTagged(const ArgumentTags& tags) {
  literals_ = tags.python ? Literals::kPython : Literals::kJson;
  const RuleId id = builder_->NewRule("arguments");
  const Rule rule = builder_->rule(id);  // a copy: more rules move it
  WL_ASSIGN_OR_RETURN(const auto alternatives, FactsOf({{&document_, "#"}}, document_));
  for (const SchemaFacts& facts : alternatives) {
    if ((facts.types & kObject) == 0) continue;
    WL_RETURN_IF_ERROR(WriteTagged(facts, tags, rule));
  }
  WL_RETURN_IF_ERROR(WriteRest());
  return id;
}

absl::Status SchemaRules::WriteTagged(const SchemaFacts& facts, const ArgumentTags& tags,
                                      const Rule& rule) {
  const char* unsupported = facts.values                                   ? "enum"
                            : facts.min_properties > facts.required.size() ? "minProperties"
                            : facts.max_properties != SchemaFacts::kNoMax  ? "maxProperties"
                                                                           : nullptr;
  if (unsupported != nullptr) {
    return SchemaError(facts.pointer, unsupported, "is not supported in this model's tool format");
  }
  WL_ASSIGN_OR_RETURN(const Members members, MembersOf(facts));
  // Before a member: where none was written so far, and where a separator comes first.
  StateId first = builder_->NewState(), later = builder_->NewState();
  builder_->Jump(rule.start, first);
  for (const Member& member : members.declared) {
    const StateId key = builder_->NewState(), value = builder_->NewState();
    const StateId end = builder_->NewState(), next = builder_->NewState();
    builder_->Jump(first, key);
    builder_->Literal(later, tags.separator, key);
    builder_->Literal(key, tags.key_begin + member.name + tags.key_end, value);
    if (std::find(tags.bare.begin(), tags.bare.end(), member.name) != tags.bare.end()) {
      WL_RETURN_IF_ERROR(WriteBare(PropertyDemands(facts, member.name), tags, value, end));
    } else {
      builder_->Call(value, member.value, end);
    }
    builder_->Literal(end, tags.value_end, next);
    const StateId none = builder_->NewState();
    if (!member.required) {
      builder_->Jump(first, none);
      builder_->Jump(later, next);
    }
    first = none;
    later = next;
  }
  builder_->Jump(first, rule.end);
  builder_->Jump(later, rule.end);
  return absl::OkStatus();
}

absl::Status SchemaRules::WriteBare(const std::vector<SchemaNode>& nodes, const ArgumentTags& tags,
                                    StateId from, StateId to) {
  WL_ASSIGN_OR_RETURN(const auto alternatives, FactsOf(nodes, document_));
  WL_ASSIGN_OR_RETURN(const CharAutomaton allowed, Without(tags.not_in_bare));
  TextRules utf8(builder_, TextRules::Writing::kUtf8);
  for (const SchemaFacts& facts : alternatives) {
    CharAutomaton texts;
    if (facts.values) {
      std::vector<std::string_view> listed;
      WL_ASSIGN_OR_RETURN(const Values values, SatisfyingOf(*facts.values, facts, document_));
      for (const boost::json::value* value : values) {
        if (value->is_string()) listed.push_back(ViewOf(value->get_string()));
      }
      texts = CharAutomaton::OneOf(listed);
    } else {
      WL_ASSIGN_OR_RETURN(texts, StringTexts(facts));
    }
    WL_ASSIGN_OR_RETURN(texts, texts.And(allowed));
    utf8.Add(texts, from, to);
  }
  return absl::OkStatus();
}

}  // namespace waferline::grammar
