#include "wafer_backend/compute/grammar/schema_facts.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/grammar/schema_demands.h"
#include "wafer_backend/compute/grammar/schema_keywords.h"
#include "wafer_backend/compute/grammar/work_meter.h"

namespace waferline::grammar {
namespace {

namespace json = boost::json;

constexpr size_t kMaxCompositions = 200;  // references and compositions within one another
constexpr size_t kMaxChoices = 200;       // of one value at once
constexpr int kMaxWithin = 24;            // FactsOf within one another: oneOf asks for its schemas'
thread_local int nested_facts = 0;

struct Alternative {
  SchemaFacts facts;
  std::set<std::pair<const json::value*, bool>> merged;  // with the sign
  Demands demands;                                       // still to be merged
  std::vector<std::vector<Demands>> choices;             // one of each is to be merged
};

class Collector {
 public:
  explicit Collector(const json::value& document) : document_(document) {}

  absl::Status Collect(Alternative alternative);
  std::vector<SchemaFacts> Take() { return std::move(found_); }

 private:
  // False: no value can satisfy it.
  absl::StatusOr<bool> Merge(Demand demand, Alternative* alternative);
  absl::Status MergeKeywords(const Demand& demand, SchemaFacts* facts) const;
  absl::Status Compose(const Demand& demand, Alternative* alternative) const;
  absl::StatusOr<std::vector<Demands>> OneOf(const Demands& schemas) const;

  const json::value& document_;
  std::vector<SchemaFacts> found_;
};

absl::Status Collector::Collect(Alternative alternative) {
  while (!alternative.demands.empty()) {
    Demand demand = std::move(alternative.demands.back());
    alternative.demands.pop_back();
    WL_ASSIGN_OR_RETURN(const bool possible, Merge(std::move(demand), &alternative));
    if (!possible) return absl::OkStatus();
  }
  if (alternative.choices.empty()) {
    if (found_.size() >= kMaxAlternatives) {
      return SchemaError(alternative.facts.pointer, "anyOf",
                         absl::StrCat("gives more than ", kMaxAlternatives,
                                      " alternatives when it is multiplied out"));
    }
    found_.push_back(std::move(alternative.facts));
    return absl::OkStatus();
  }
  if (alternative.choices.size() > kMaxChoices) {
    return SchemaError(
        alternative.facts.pointer, "anyOf",
        absl::StrCat("and its like are more than ", kMaxChoices, " choices at once"));
  }
  const std::vector<Demands> choice = std::move(alternative.choices.back());
  alternative.choices.pop_back();
  for (const Demands& way : choice) {
    size_t states = 100;
    for (const CharAutomaton& texts : alternative.facts.texts) states += texts.states().size();
    WL_RETURN_IF_ERROR(WorkMeter::Spend(states));
    Alternative copy = alternative;
    copy.demands.insert(copy.demands.end(), way.rbegin(), way.rend());
    WL_RETURN_IF_ERROR(Collect(std::move(copy)));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Collector::Merge(Demand demand, Alternative* alternative) {
  WL_RETURN_IF_ERROR(WorkMeter::Spend(20));
  if (demand.kind != Demand::kSchema) return MergePart(demand, &alternative->facts);
  const SchemaNode& node = demand.node;
  if (node.schema->is_bool()) return node.schema->get_bool() != node.negated;
  if (!node.schema->is_object()) {
    return SchemaError(node.pointer, "$ref", "leads to what is not a schema");
  }
  if (std::find(demand.path.begin(), demand.path.end(), node) != demand.path.end() ||
      demand.path.size() > kMaxCompositions) {
    return SchemaError(node.pointer, "$ref", "leads back to itself with no value in between");
  }
  if (!alternative->merged.emplace(node.schema, node.negated).second) return true;
  demand.path.push_back(node);
  if (node.negated) {
    WL_ASSIGN_OR_RETURN(std::vector<Demands> ways, WaysToViolate(demand, document_));
    if (ways.empty()) return false;
    if (ways.size() > 1) {
      alternative->choices.push_back(std::move(ways));
    } else {
      for (Demand& one : ways[0]) alternative->demands.push_back(std::move(one));
    }
    return true;
  }
  WL_RETURN_IF_ERROR(MergeKeywords(demand, &alternative->facts));
  WL_RETURN_IF_ERROR(Compose(demand, alternative));
  return alternative->facts.types != 0;
}

// Marks what the keywords add with where it lies.
absl::Status Collector::MergeKeywords(const Demand& demand, SchemaFacts* facts) const {
  const size_t objects = facts->objects.size(), arrays = facts->arrays.size();
  const size_t items = facts->unevaluated_items.size();
  const size_t properties = facts->unevaluated_properties.size();
  WL_RETURN_IF_ERROR(ReadKeywords(demand.node, facts));
  Around within;
  if (demand.annotates) {
    for (const SchemaNode& node : demand.path) within.push_back(node.schema);
  }
  const auto mark = [&](auto& all, size_t first) {
    for (size_t i = first; i < all.size(); ++i) all[i].within = within;
  };
  mark(facts->objects, objects);
  mark(facts->arrays, arrays);
  mark(facts->unevaluated_items, items);
  mark(facts->unevaluated_properties, properties);
  return absl::OkStatus();
}

absl::Status Collector::Compose(const Demand& demand, Alternative* alternative) const {
  const json::object& object = demand.node.schema->get_object();
  if (const json::value* reference = object.if_contains("$ref")) {
    Demand target = demand;
    WL_ASSIGN_OR_RETURN(target.node, ResolveReference(demand.node, *reference, document_));
    alternative->demands.push_back(std::move(target));
  }
  for (const char* keyword : {"allOf", "anyOf", "oneOf"}) {
    const json::value* list = object.if_contains(keyword);
    if (list == nullptr) continue;
    if (!list->is_array() || list->get_array().empty()) {
      return SchemaError(demand.node.pointer, keyword, "must be a list of schemas, not empty");
    }
    Demands schemas;
    const std::string pointer = PointerTo(demand.node.pointer, keyword);
    for (size_t i = 0; i < list->get_array().size(); ++i) {
      const json::value& one = list->get_array()[i];
      if (!one.is_object() && !one.is_bool()) {
        return SchemaError(demand.node.pointer, keyword, "must be a list of schemas");
      }
      schemas.push_back(DemandBelow(demand, one, PointerTo(pointer, std::to_string(i))));
    }
    if (std::string_view(keyword) == "allOf") {
      // In their order, for objects write their properties in it.
      alternative->demands.insert(alternative->demands.end(), schemas.rbegin(), schemas.rend());
      continue;
    }
    if (std::string_view(keyword) == "oneOf") {
      WL_ASSIGN_OR_RETURN(std::vector<Demands> ways, OneOf(schemas));
      alternative->choices.push_back(std::move(ways));
      continue;
    }
    std::vector<Demands>& ways = alternative->choices.emplace_back();
    for (Demand& one : schemas) ways.push_back({std::move(one)});
  }
  WL_ASSIGN_OR_RETURN(auto conditions, Conditions(demand));
  for (auto& choice : conditions) alternative->choices.push_back(std::move(choice));
  return absl::OkStatus();
}

// Each schema alone where it is seen that no two hold for a value, else each with the opposites of
// those that may hold, too.
absl::StatusOr<std::vector<Demands>> Collector::OneOf(const Demands& schemas) const {
  std::vector<Demands> ways;
  for (const Demand& one : schemas) ways.push_back({one});
  for (size_t i = 0; i < schemas.size(); ++i) {
    for (size_t k = i + 1; k < schemas.size(); ++k) {
      WL_ASSIGN_OR_RETURN(const bool exclusive,
                          Exclusive(schemas[i].node, schemas[k].node, document_));
      if (exclusive) continue;
      for (const auto& [way, other] : {std::pair(i, k), std::pair(k, i)}) {
        Demand opposite = schemas[other];
        opposite.node.negated = true;
        opposite.annotates = false;
        ways[way].push_back(std::move(opposite));
      }
    }
  }
  return ways;
}

}  // namespace

absl::StatusOr<std::vector<SchemaFacts>> FactsOf(const std::vector<SchemaNode>& nodes,
                                                 const json::value& document) {
  Alternative first;
  for (const SchemaNode& node : nodes) first.demands.push_back({.node = node});
  std::reverse(first.demands.begin(), first.demands.end());
  if (nested_facts >= kMaxWithin) {
    return SchemaError(nodes.empty() ? "#" : nodes[0].pointer, "oneOf",
                       "leads back to itself with no value in between, or nests too deeply");
  }
  Collector collector(document);
  ++nested_facts;
  const absl::Status status = collector.Collect(std::move(first));
  --nested_facts;
  WL_RETURN_IF_ERROR(status);
  return collector.Take();
}

absl::StatusOr<CharAutomaton> StringTexts(const SchemaFacts& facts) {
  if (facts.min_length > facts.max_length) return CharAutomaton();
  CharAutomaton texts = CharAutomaton::OfLength(facts.min_length, facts.max_length);
  for (const CharAutomaton& one : facts.texts) {
    WL_ASSIGN_OR_RETURN(texts, texts.And(one));
  }
  std::vector<std::string_view> excluded;
  for (const json::value* value : facts.excluded) {
    if (value->is_string()) excluded.push_back(ViewOf(value->get_string()));
  }
  if (excluded.empty()) return texts;
  return texts.And(CharAutomaton::OneOf(excluded).Not());
}

absl::Status SchemaError(std::string_view pointer, std::string_view keyword,
                         std::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat(
      "'", Absl(keyword), "' at ", pointer.empty() ? "#" : Absl(pointer), " ", Absl(message)));
}

std::string PointerTo(const std::string& pointer, std::string_view step) {
  std::string out = pointer + "/";
  for (const char c : step) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace waferline::grammar
