#include "wafer_backend/compute/grammar/schema_values.h"

#include <algorithm>
#include <cmath>

#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/grammar/work_meter.h"

namespace waferline::grammar {
namespace {

namespace json = boost::json;

// Below 0, 0 or above it. What has too many digits to be written out is compared as a double.
int Compare(const json::value& number, const std::string& bound) {
  if (const auto text = DecimalText(number)) return CompareDecimals(*text, bound);
  const double a = number.to_number<double>(), b = std::stod(bound);
  return a < b ? -1 : a > b ? 1 : 0;
}

bool InBounds(const SchemaFacts& facts, const json::value& value) {
  if (facts.min && Compare(value, facts.min->value) < (facts.min->inclusive ? 0 : 1)) return false;
  if (facts.max && Compare(value, facts.max->value) > (facts.max->inclusive ? 0 : -1)) return false;
  const auto text = DecimalText(value);
  const auto multiple = [&](const Multiple& one) { return text && IsMultiple(*text, one); };
  if (facts.multiple_of && !multiple(*facts.multiple_of)) return false;
  return std::none_of(facts.no_multiple_of.begin(), facts.no_multiple_of.end(),
                      [&](const auto& one) { return !text || multiple(one); });
}

absl::StatusOr<bool> ArraySatisfies(const SchemaFacts& facts, const json::array& array,
                                    const json::value& document) {
  if (array.size() < facts.min_items || array.size() > facts.max_items) return false;
  for (size_t i = 0; i < array.size(); ++i) {
    WL_ASSIGN_OR_RETURN(const bool good, SatisfiesAll(ItemDemands(facts, i), array[i], document));
    if (!good) return false;
  }
  for (const Contains& contains : facts.contains) {
    size_t count = 0;
    for (const json::value& item : array) {
      WL_ASSIGN_OR_RETURN(const bool counts, SatisfiesAll({contains.node}, item, document));
      count += counts ? 1 : 0;
    }
    if (count < contains.min || count > contains.max) return false;
  }
  for (size_t i = 0; facts.unique_items && i < array.size(); ++i) {
    for (size_t k = 0; k < i; ++k) {
      if (SameJson(array[i], array[k])) return false;
    }
  }
  return true;
}

absl::StatusOr<bool> ObjectSatisfies(const SchemaFacts& facts, const json::object& object,
                                     const json::value& document) {
  if (object.size() < facts.min_properties || object.size() > facts.max_properties) return false;
  for (const std::string& name : facts.required) {
    if (!object.contains(name)) return false;
  }
  for (const auto& entry : object) {
    WL_ASSIGN_OR_RETURN(
        const bool named,
        SatisfiesAll(facts.names, json::value(json::string(entry.key())), document));
    if (!named) return false;
    WL_ASSIGN_OR_RETURN(
        const bool good,
        SatisfiesAll(PropertyDemands(facts, std::string(entry.key())), entry.value(), document));
    if (!good) return false;
  }
  return true;
}

// Whether the value satisfies all but the lists of values.
absl::StatusOr<bool> SatisfiesRest(const SchemaFacts& facts, const json::value& value,
                                   const json::value& document) {
  if (value.is_number()) return InBounds(facts, value);
  if (value.is_array()) return ArraySatisfies(facts, value.get_array(), document);
  if (value.is_object()) return ObjectSatisfies(facts, value.get_object(), document);
  if (!value.is_string()) return true;
  const std::string_view text = ViewOf(value.get_string());
  const size_t length = CharsOf(text).size();
  return length >= facts.min_length && length <= facts.max_length &&
         std::all_of(facts.texts.begin(), facts.texts.end(),
                     [&](const CharAutomaton& texts) { return texts.Contains(text); });
}

}  // namespace

bool SameJson(const json::value& a, const json::value& b) {
  if (a.is_number() && b.is_number()) {
    if (!a.is_double() && !b.is_double()) return a == b;
    return a.to_number<double>() == b.to_number<double>();
  }
  if (a.is_array() && b.is_array()) {
    return std::equal(a.get_array().begin(), a.get_array().end(), b.get_array().begin(),
                      b.get_array().end(), SameJson);
  }
  if (a.is_object() && b.is_object()) {
    if (a.get_object().size() != b.get_object().size()) return false;
    return std::all_of(a.get_object().begin(), a.get_object().end(), [&](const auto& entry) {
      const json::value* other = b.get_object().if_contains(entry.key());
      return other != nullptr && SameJson(entry.value(), *other);
    });
  }
  return a == b;
}

SchemaType TypeOf(const json::value& value) {
  if (value.is_null()) return kNull;
  if (value.is_bool()) return kBoolean;
  if (value.is_double()) {
    return std::floor(value.get_double()) == value.get_double() ? kInteger : kFraction;
  }
  if (value.is_number()) return kInteger;
  return value.is_string() ? kString : value.is_array() ? kArray : kObject;
}

absl::StatusOr<bool> Satisfies(const SchemaFacts& facts, const json::value& value,
                               const json::value& document) {
  const size_t listed = facts.values ? facts.values->size() : 0;
  WL_RETURN_IF_ERROR(WorkMeter::Spend(20 + listed + facts.excluded.size()));
  const auto same = [&](const json::value* one) { return SameJson(*one, value); };
  if ((facts.types & TypeOf(value)) == 0) return false;
  if (facts.values && std::none_of(facts.values->begin(), facts.values->end(), same)) return false;
  if (std::any_of(facts.excluded.begin(), facts.excluded.end(), same)) return false;
  return SatisfiesRest(facts, value, document);
}

absl::StatusOr<Values> SatisfyingOf(const Values& candidates, const SchemaFacts& facts,
                                    const json::value& document) {
  const ValueSet excluded(facts.excluded);
  Values good;
  for (const json::value* one : candidates) {
    WL_RETURN_IF_ERROR(WorkMeter::Spend(20));
    if ((facts.types & TypeOf(*one)) == 0) continue;
    if (!facts.excluded.empty() && excluded.Contains(*one)) continue;
    WL_ASSIGN_OR_RETURN(const bool fits, SatisfiesRest(facts, *one, document));
    if (fits) good.push_back(one);
  }
  return good;
}

absl::StatusOr<bool> SatisfiesAll(const std::vector<SchemaNode>& nodes, const json::value& value,
                                  const json::value& document) {
  if (nodes.empty()) return true;
  WL_ASSIGN_OR_RETURN(const auto alternatives, FactsOf(nodes, document));
  for (const SchemaFacts& facts : alternatives) {
    WL_ASSIGN_OR_RETURN(const bool good, Satisfies(facts, value, document));
    if (good) return true;
  }
  return false;
}

absl::StatusOr<std::optional<Values>> ListedValues(const std::vector<SchemaNode>& nodes,
                                                   const json::value& document) {
  static const json::value null(nullptr), no(false), yes(true);
  WL_ASSIGN_OR_RETURN(const auto alternatives, FactsOf(nodes, document));
  Values values;
  ValueSet seen;
  for (const SchemaFacts& facts : alternatives) {
    Values candidates = {&null, &no, &yes};
    if (facts.values) {
      candidates = *facts.values;
    } else if ((facts.types & ~(kNull | kBoolean)) != 0) {
      return std::optional<Values>();
    }
    WL_ASSIGN_OR_RETURN(const Values good, SatisfyingOf(candidates, facts, document));
    for (const json::value* one : good) {
      if (seen.Add(*one)) values.push_back(one);
    }
  }
  return std::optional<Values>(std::move(values));
}

std::vector<SchemaNode> ItemDemands(const SchemaFacts& facts, size_t index) {
  std::vector<SchemaNode> nodes;
  for (const ArrayView& view : facts.arrays) {
    if (index < view.first.size()) {
      nodes.push_back(view.first[index]);
    } else if (view.others) {
      nodes.push_back(*view.others);
    }
  }
  for (const Unevaluated& one : facts.unevaluated_items) {
    const bool taken = IsTaken(facts.unevaluated_items, one) ||
                       Evaluates(facts.arrays, one, [&](const ArrayView& view) {
                         return index < view.first.size() || view.others;
                       });
    if (!taken) nodes.push_back(one.node);
  }
  return nodes;
}

std::vector<SchemaNode> PropertyDemands(const SchemaFacts& facts, const std::string& name) {
  std::vector<SchemaNode> nodes;
  const auto find = [&](const ObjectView& view, std::vector<SchemaNode>* found) {
    const size_t before = found->size();
    for (const auto& [key, node] : view.properties) {
      if (key == name) found->push_back(node);
    }
    for (const auto& [names, node] : view.patterns) {
      if (names.Contains(name)) found->push_back(node);
    }
    if (found->size() == before && view.others) found->push_back(*view.others);
    return found->size() > before;
  };
  for (const ObjectView& view : facts.objects) find(view, &nodes);
  for (const Unevaluated& one : facts.unevaluated_properties) {
    std::vector<SchemaNode> ignored;
    const bool taken =
        IsTaken(facts.unevaluated_properties, one) ||
        Evaluates(facts.objects, one, [&](const ObjectView& view) { return find(view, &ignored); });
    if (!taken) nodes.push_back(one.node);
  }
  return nodes;
}

bool IsTaken(const std::vector<Unevaluated>& all, const Unevaluated& unevaluated) {
  return std::any_of(all.begin(), all.end(), [&](const Unevaluated& other) {
    return other.owner != unevaluated.owner && std::find(other.within.begin(), other.within.end(),
                                                         unevaluated.owner) != other.within.end();
  });
}

}  // namespace waferline::grammar
