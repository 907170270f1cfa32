// The objects of SchemaRules.
#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/grammar/schema_rules.h"
#include "wafer_backend/compute/grammar/schema_values.h"
#include "wafer_backend/compute/grammar/work_meter.h"

namespace waferline::grammar {
namespace {

constexpr size_t kMaxPatterns = 6;  // their combinations are a part of the names each

bool IsFalse(const SchemaNode& node) {
  return node.schema->is_bool() && node.schema->get_bool() == node.negated;
}

// The names that propertyNames allows.
absl::StatusOr<CharAutomaton> NamesOf(const SchemaFacts& facts,
                                      const boost::json::value& document) {
  if (facts.names.empty()) return CharAutomaton::All();
  WL_ASSIGN_OR_RETURN(const auto alternatives, FactsOf(facts.names, document));
  CharAutomaton others = CharAutomaton::All();  // allowed by no alternative so far
  for (const SchemaFacts& one : alternatives) {
    CharAutomaton texts;
    if (one.values) {
      std::vector<std::string_view> listed;
      WL_ASSIGN_OR_RETURN(const Values values, SatisfyingOf(*one.values, one, document));
      for (const boost::json::value* value : values) {
        if (value->is_string()) listed.push_back(ViewOf(value->get_string()));
      }
      texts = CharAutomaton::OneOf(listed);
    } else if ((one.types & kString) != 0) {
      WL_ASSIGN_OR_RETURN(texts, StringTexts(one));
    }
    WL_ASSIGN_OR_RETURN(others, others.And(texts.Not()));
  }
  return others.Not();
}

}  // namespace

absl::StatusOr<SchemaRules::Members> SchemaRules::MembersOf(const SchemaFacts& facts) {
  std::vector<std::string> names;
  std::set<std::string> seen;
  const auto add = [&](const std::string& name) {
    if (seen.insert(name).second) names.push_back(name);
  };
  bool open = false, declares = false;
  for (const ObjectView& view : facts.objects) {
    for (const auto& [name, node] : view.properties) add(name);
    declares |= view.declares;
    open |= !view.patterns.empty() || (view.others && !IsFalse(*view.others));
  }
  for (const Unevaluated& one : facts.unevaluated_properties) {
    declares = true;
    open |= !IsFalse(one.node);
  }
  for (const std::string& name : facts.required) add(name);
  WL_ASSIGN_OR_RETURN(CharAutomaton allowed, NamesOf(facts, document_));
  Members members;
  std::vector<std::string_view> declared;
  for (const std::string& name : names) {
    WL_RETURN_IF_ERROR(WorkMeter::Spend(names.size()));
    declared.push_back(name);
    const bool required =
        std::find(facts.required.begin(), facts.required.end(), name) != facts.required.end();
    std::vector<SchemaNode> demands = PropertyDemands(facts, name);
    if (!allowed.Contains(name) || std::any_of(demands.begin(), demands.end(), IsFalse)) {
      if (!required) continue;
      // Nothing can satisfy it: the member's rule stays without an end.
      members.declared.push_back({name, builder_->NewRule(name), true});
      continue;
    }
    members.declared.push_back({name, RuleFor(std::move(demands)), required});
  }
  if (!open && declares) return members;
  WL_ASSIGN_OR_RETURN(allowed, allowed.And(CharAutomaton::OneOf(declared).Not()));
  WL_ASSIGN_OR_RETURN(members.others, OthersOf(facts, allowed));
  return members;
}

// The other names fall into parts by the patterns that they match; each part has its own values.
absl::StatusOr<std::vector<SchemaRules::Others>> SchemaRules::OthersOf(const SchemaFacts& facts,
                                                                       const CharAutomaton& names) {
  size_t patterns = 0;
  for (const ObjectView& view : facts.objects) patterns += view.patterns.size();
  if (patterns > kMaxPatterns) {
    return SchemaError(facts.pointer, "patternProperties",
                       absl::StrCat("has more than ", kMaxPatterns, " patterns"));
  }
  // Where patterns are given and additionalProperties is not, only names that match one.
  const bool said = !facts.unevaluated_properties.empty() ||
                    std::any_of(facts.objects.begin(), facts.objects.end(),
                                [](const ObjectView& view) { return view.others.has_value(); });
  std::vector<Others> out;
  for (size_t combination = patterns > 0 && !said ? 1 : 0; combination < size_t{1} << patterns;
       ++combination) {
    CharAutomaton part = names;
    std::vector<SchemaNode> demands;
    size_t number = 0;
    std::vector<const ObjectView*> evaluating;
    for (const ObjectView& view : facts.objects) {
      bool by_pattern = false;
      for (const auto& [texts, node] : view.patterns) {
        const bool matches = (combination >> number++ & 1) != 0;
        auto rest = part.And(matches ? texts : texts.Not());
        if (!rest.ok()) {
          return SchemaError(facts.pointer, "patternProperties", Std(rest.status().message()));
        }
        part = *std::move(rest);
        by_pattern |= matches;
        if (matches) demands.push_back(node);
      }
      if (!by_pattern && view.others) demands.push_back(*view.others);
      if (by_pattern || view.others) evaluating.push_back(&view);
    }
    for (const Unevaluated& one : facts.unevaluated_properties) {
      const auto does = [&](const ObjectView& view) {
        return std::find(evaluating.begin(), evaluating.end(), &view) != evaluating.end();
      };
      if (IsTaken(facts.unevaluated_properties, one)) continue;
      if (!Evaluates(facts.objects, one, does)) demands.push_back(one.node);
    }
    if (part.empty() || std::any_of(demands.begin(), demands.end(), IsFalse)) {
      continue;
    }
    out.push_back({std::move(part), RuleFor(std::move(demands))});
  }
  return out;
}

RuleId SchemaRules::OthersRule(const std::vector<Others>& others) {
  const RuleId id = builder_->NewRule("another property");
  const Rule rule = builder_->rule(id);
  for (const Others& one : others) {
    const StateId after = builder_->NewState(), value = builder_->NewState();
    Quoted(one.names, rule.start, after);
    const StateId colon = builder_->NewState();
    builder_->Bytes(after, ':', ':', colon);
    builder_->Bytes(colon, ' ', ' ', value);
    builder_->Jump(colon, value);
    builder_->Call(value, one.value, rule.end);
  }
  return id;
}

absl::Status SchemaRules::WriteObject(const SchemaFacts& facts, StateId from, StateId to) {
  WL_ASSIGN_OR_RETURN(const Members members, MembersOf(facts));
  const size_t countable = members.declared.size() + (members.others.empty() ? 0 : 1);
  if (facts.min_properties > countable) {
    return SchemaError(facts.pointer, "minProperties",
                       absl::StrCat("is supported up to the number of declared properties (",
                                    members.declared.size(), ") and one more"));
  }
  if (facts.min_properties > facts.max_properties) return absl::OkStatus();
  // Names of others may repeat, and each is counted for the most.
  if (facts.max_properties != SchemaFacts::kNoMax && !members.others.empty() &&
      facts.min_properties > facts.required.size() + 1) {
    return SchemaError(facts.pointer, "minProperties",
                       "is supported next to maxProperties up to the number of required "
                       "properties and one more, where others are allowed");
  }
  WriteMembers(facts, members, from, to);
  return absl::OkStatus();
}

std::vector<StateId> SchemaRules::MemberRow(const MemberCount& count) {
  std::vector<StateId> states;
  for (size_t i = 0; i <= count.top; ++i) states.push_back(builder_->NewState());
  return states;
}

// A further member, whose name begins at `name`, after `count` of them.
void SchemaRules::NextMember(StateId from, size_t count, StateId name) {
  if (count == 0) {
    builder_->Jump(from, name);
  } else {
    Comma(from, name);
  }
}

// A state for each member and number of members so far, as far as the number matters: whether it is
// the first, and up to the bounds.
void SchemaRules::WriteMembers(const SchemaFacts& facts, const Members& members, StateId from,
                               StateId to) {
  MemberCount count{.least = facts.min_properties};
  count.bounded = facts.max_properties != SchemaFacts::kNoMax &&
                  (facts.max_properties < members.declared.size() || !members.others.empty());
  count.top = count.bounded ? facts.max_properties : std::max<size_t>(facts.min_properties, 1);
  const StateId end = builder_->NewState();
  builder_->Bytes(end, '}', '}', to);
  std::vector<StateId> at = MemberRow(count);
  builder_->Bytes(from, '{', '{', at[0]);
  for (const Member& member : members.declared) {
    if (builder_->full()) return;
    at = WriteMember(member, count, at);
  }
  if (!members.others.empty()) WriteOthers(members.others, count, at, end);
  for (size_t i = count.least; i <= count.top; ++i) builder_->Jump(at[i], end);
}

std::vector<StateId> SchemaRules::WriteMember(const Member& member, const MemberCount& count,
                                              const std::vector<StateId>& at) {
  const std::vector<StateId> next = MemberRow(count);
  const std::string name = JsonText(boost::json::value(member.name)) + ":";
  // States from which the same state follows share the name.
  std::map<size_t, StateId> names;
  for (size_t i = 0; i <= count.top; ++i) {
    if (!member.required) builder_->Jump(at[i], next[i]);
    if (count.bounded && i == count.top) continue;
    const auto [entry, added] = names.try_emplace(count.After(i), 0);
    if (added) {
      entry->second = builder_->NewState();
      const StateId colon = builder_->NewState(), value = builder_->NewState();
      builder_->Literal(entry->second, name, colon);
      builder_->Bytes(colon, ' ', ' ', value);
      builder_->Jump(colon, value);
      builder_->Call(value, member.value, next[count.After(i)]);
    }
    NextMember(at[i], i, entry->second);
  }
  return next;
}

// Names of others may repeat, so that only the first surely counts for the least.
void SchemaRules::WriteOthers(const std::vector<Others>& kinds, const MemberCount& count,
                              const std::vector<StateId>& at, StateId end) {
  const RuleId others = OthersRule(kinds);
  const std::vector<StateId> after = count.bounded ? at : MemberRow(count);
  for (size_t i = 0; i <= count.top; ++i) {
    if (count.bounded && i == count.top) continue;
    const StateId name = builder_->NewState();
    NextMember(at[i], i, name);
    builder_->Call(name, others, after[count.After(i)]);
    if (count.bounded || i == 0) continue;
    const StateId again = builder_->NewState();
    Comma(after[i], again);
    builder_->Call(again, others, after[i]);
  }
  if (count.bounded) return;
  for (size_t i = count.least; i <= count.top; ++i) builder_->Jump(after[i], end);
}

}  // namespace waferline::grammar
