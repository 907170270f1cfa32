#include "wafer_backend/compute/grammar/schema_facts.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/grammar/schema_keywords.h"
#include "wafer_backend/compute/grammar/work_meter.h"

namespace waferline::grammar {
namespace {

namespace json = boost::json;

constexpr int kMaxShown = 4;              // how deep Exclusive looks into properties
constexpr size_t kMaxCompositions = 200;  // references and compositions within one another

// One schema to be merged, and those that led to it without a value in between.
struct Demand {
  SchemaNode node;
  std::vector<const json::value*> path;
};

struct Alternative {
  SchemaFacts facts;
  std::set<const json::value*> merged;
  std::vector<Demand> demands;               // still to be merged
  std::vector<std::vector<Demand>> choices;  // one of each is to be merged
};

class Collector {
 public:
  explicit Collector(const json::value& document) : document_(document) {}

  absl::Status Collect(Alternative alternative);
  std::vector<SchemaFacts> Take() { return std::move(found_); }

 private:
  // False: no value can satisfy it.
  absl::StatusOr<bool> Merge(const Demand& demand, Alternative* alternative);
  absl::Status Compose(const Demand& demand, Alternative* alternative);
  absl::StatusOr<SchemaNode> Resolve(const SchemaNode& from, const json::value& reference) const;
  absl::Status CheckExclusive(const SchemaNode& node, const std::vector<Demand>& choices) const;

  const json::value& document_;
  std::vector<SchemaFacts> found_;
};

absl::Status Collector::Collect(Alternative alternative) {
  while (!alternative.demands.empty()) {
    const Demand demand = std::move(alternative.demands.back());
    alternative.demands.pop_back();
    WL_ASSIGN_OR_RETURN(const bool possible, Merge(demand, &alternative));
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
  const std::vector<Demand> choice = std::move(alternative.choices.back());
  alternative.choices.pop_back();
  for (const Demand& one : choice) {
    size_t states = 100;
    for (const CharAutomaton& texts : alternative.facts.texts) states += texts.states().size();
    WL_RETURN_IF_ERROR(WorkMeter::Spend(states));
    Alternative copy = alternative;
    copy.demands.push_back(one);
    WL_RETURN_IF_ERROR(Collect(std::move(copy)));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Collector::Merge(const Demand& demand, Alternative* alternative) {
  const json::value& schema = *demand.node.schema;
  WL_RETURN_IF_ERROR(WorkMeter::Spend(20));
  if (schema.is_bool()) return schema.get_bool();
  if (!schema.is_object()) {
    return SchemaError(demand.node.pointer, "$ref", "leads to what is not a schema");
  }
  if (std::find(demand.path.begin(), demand.path.end(), &schema) != demand.path.end() ||
      demand.path.size() > kMaxCompositions) {
    return SchemaError(demand.node.pointer, "$ref",
                       "leads back to itself with no value in between");
  }
  if (!alternative->merged.insert(&schema).second) return true;
  WL_RETURN_IF_ERROR(ReadKeywords(demand.node, &alternative->facts));
  WL_RETURN_IF_ERROR(Compose(demand, alternative));
  return alternative->facts.types != 0;
}

absl::Status Collector::Compose(const Demand& demand, Alternative* alternative) {
  const json::object& object = demand.node.schema->get_object();
  std::vector<const json::value*> path = demand.path;
  path.push_back(demand.node.schema);
  if (const json::value* reference = object.if_contains("$ref")) {
    WL_ASSIGN_OR_RETURN(SchemaNode target, Resolve(demand.node, *reference));
    alternative->demands.push_back({std::move(target), path});
  }
  for (const char* keyword : {"allOf", "anyOf", "oneOf"}) {
    const json::value* list = object.if_contains(keyword);
    if (list == nullptr) continue;
    if (!list->is_array() || list->get_array().empty()) {
      return SchemaError(demand.node.pointer, keyword, "must be a list of schemas, not empty");
    }
    std::vector<Demand> demands;
    const std::string pointer = PointerTo(demand.node.pointer, keyword);
    for (size_t i = 0; i < list->get_array().size(); ++i) {
      const json::value& one = list->get_array()[i];
      if (!one.is_object() && !one.is_bool()) {
        return SchemaError(demand.node.pointer, keyword, "must be a list of schemas");
      }
      demands.push_back({{&one, PointerTo(pointer, std::to_string(i))}, path});
    }
    if (std::string_view(keyword) == "allOf") {
      // In their order, for objects write their properties in it.
      std::reverse(demands.begin(), demands.end());
      for (Demand& one : demands) alternative->demands.push_back(std::move(one));
      continue;
    }
    if (std::string_view(keyword) == "oneOf") {
      WL_RETURN_IF_ERROR(CheckExclusive(demand.node, demands));
    }
    alternative->choices.push_back(std::move(demands));
  }
  return absl::OkStatus();
}

absl::Status Collector::CheckExclusive(const SchemaNode& node,
                                       const std::vector<Demand>& choices) const {
  for (size_t i = 0; i < choices.size(); ++i) {
    for (size_t k = i + 1; k < choices.size(); ++k) {
      WL_ASSIGN_OR_RETURN(const bool exclusive,
                          Exclusive(choices[i].node, choices[k].node, document_));
      if (exclusive) continue;
      return SchemaError(node.pointer, "oneOf",
                         absl::StrCat("is not supported here: its schemas ", i, " and ", k,
                                      " may both hold for a value, as far as can be seen; use "
                                      "anyOf"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<SchemaNode> Collector::Resolve(const SchemaNode& from,
                                              const json::value& reference) const {
  const auto error = [&](std::string_view what) { return SchemaError(from.pointer, "$ref", what); };
  if (!reference.is_string()) return error("must be a string");
  std::string_view left = ViewOf(reference.get_string());
  if (!left.starts_with('#'))
    return error("must begin with '#': only this schema can be referred to");
  left.remove_prefix(1);
  if (!left.empty() && left[0] != '/') return error("must be '#' or '#/' and a JSON pointer");
  SchemaNode at{&document_, "#"};
  while (!left.empty()) {
    left.remove_prefix(1);
    const std::string_view raw = left.substr(0, left.find('/'));
    left.remove_prefix(raw.size());
    std::string step;
    for (size_t i = 0; i < raw.size(); ++i) {
      unsigned code = 0;
      if (raw[i] == '~' && i + 1 < raw.size() && (raw[i + 1] == '0' || raw[i + 1] == '1')) {
        step += raw[++i] == '0' ? '~' : '/';
      } else if (raw[i] == '%' && i + 2 < raw.size() &&
                 absl::SimpleHexAtoi(Absl(raw.substr(i + 1, 2)), &code)) {
        step += static_cast<char>(code);
        i += 2;
      } else {
        step += raw[i];
      }
    }
    const json::value* next = nullptr;
    size_t index = 0;
    if (at.schema->is_object()) {
      next = at.schema->get_object().if_contains(step);
    } else if (at.schema->is_array() && absl::SimpleAtoi(step, &index) &&
               index < at.schema->get_array().size()) {
      next = &at.schema->get_array()[index];
    }
    if (next == nullptr) {
      return error(absl::StrCat("leads to nothing: ", at.pointer, " has no '", step, "'"));
    }
    at = {next, PointerTo(at.pointer, step)};
  }
  return at;
}

bool Disjoint(const json::value& document, const SchemaFacts& a, const SchemaFacts& b, int depth);

bool DisjointNodes(const json::value& document, const std::vector<SchemaNode>& a,
                   const std::vector<SchemaNode>& b, int depth) {
  const auto left = FactsOf(a, document), right = FactsOf(b, document);
  if (!left.ok() || !right.ok()) return false;
  for (const SchemaFacts& x : *left) {
    for (const SchemaFacts& y : *right) {
      if (!Disjoint(document, x, y, depth)) return false;
    }
  }
  return true;
}

uint8_t TypeOf(const json::value& value) {
  if (value.is_null()) return kNull;
  if (value.is_bool()) return kBoolean;
  if (value.is_double()) {
    const double number = value.get_double();
    return number == static_cast<double>(static_cast<int64_t>(number)) ? kInteger : kFraction;
  }
  if (value.is_number()) return kInteger;
  return value.is_string() ? kString : value.is_array() ? kArray : kObject;
}

// A property that both need, of values that are never the same: a tag.
bool DisjointObjects(const json::value& document, const SchemaFacts& a, const SchemaFacts& b,
                     int depth) {
  if (depth >= kMaxShown) return false;
  for (const std::string& name : a.required) {
    if (std::find(b.required.begin(), b.required.end(), name) == b.required.end()) continue;
    const auto schemas = [&](const SchemaFacts& facts) {
      std::vector<SchemaNode> nodes;
      for (const ObjectView& view : facts.objects) {
        for (const auto& [key, node] : view.properties) {
          if (key == name) nodes.push_back(node);
        }
      }
      return nodes;
    };
    if (DisjointNodes(document, schemas(a), schemas(b), depth + 1)) return true;
  }
  return false;
}

uint8_t TypesOf(const SchemaFacts& facts) {
  if (!facts.values) return facts.types;
  uint8_t types = 0;
  for (const json::value* value : *facts.values) types |= TypeOf(*value);
  return types & facts.types;
}

bool Disjoint(const json::value& document, const SchemaFacts& a, const SchemaFacts& b, int depth) {
  const uint8_t shared = TypesOf(a) & TypesOf(b);
  if (shared == 0) return true;
  if (a.values && b.values) {
    return std::none_of(a.values->begin(), a.values->end(), [&](const json::value* one) {
      return std::any_of(b.values->begin(), b.values->end(),
                         [&](const json::value* other) { return *one == *other; });
    });
  }
  if (a.values || b.values) return false;
  if ((shared & ~kObject & ~kString & ~(kInteger | kFraction)) != 0) return false;
  if ((shared & kObject) != 0 && !DisjointObjects(document, a, b, depth)) return false;
  if ((shared & kString) != 0) {
    const auto x = StringTexts(a), y = StringTexts(b);
    if (!x.ok() || !y.ok()) return false;
    const auto both = x->And(*y);
    if (!both.ok() || !both->empty()) return false;
  }
  if ((shared & (kInteger | kFraction)) != 0) {
    const auto below = [](const std::optional<NumberBound>& max,
                          const std::optional<NumberBound>& min) {
      if (!max || !min) return false;
      const double top = std::stod(max->value), bottom = std::stod(min->value);
      return top < bottom || (top == bottom && !(max->inclusive && min->inclusive));
    };
    if (!below(a.max, b.min) && !below(b.max, a.min)) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<std::vector<SchemaFacts>> FactsOf(const std::vector<SchemaNode>& nodes,
                                                 const json::value& document) {
  Alternative first;
  for (const SchemaNode& node : nodes) first.demands.push_back({node, {}});
  std::reverse(first.demands.begin(), first.demands.end());
  Collector collector(document);
  WL_RETURN_IF_ERROR(collector.Collect(std::move(first)));
  return collector.Take();
}

absl::StatusOr<bool> Exclusive(const SchemaNode& a, const SchemaNode& b,
                               const json::value& document) {
  WL_ASSIGN_OR_RETURN(const auto left, FactsOf({a}, document));
  WL_ASSIGN_OR_RETURN(const auto right, FactsOf({b}, document));
  for (const SchemaFacts& x : left) {
    for (const SchemaFacts& y : right) {
      if (!Disjoint(document, x, y, 0)) return false;
    }
  }
  return true;
}

absl::StatusOr<CharAutomaton> StringTexts(const SchemaFacts& facts) {
  if (facts.min_length > facts.max_length) return CharAutomaton();
  CharAutomaton texts = CharAutomaton::OfLength(facts.min_length, facts.max_length);
  for (const CharAutomaton& one : facts.texts) {
    WL_ASSIGN_OR_RETURN(texts, texts.And(one));
  }
  return texts;
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
