#include "wafer_backend/compute/grammar/schema_demands.h"

#include <algorithm>
#include <utility>

#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/grammar/schema_keywords.h"

namespace waferline::grammar {
namespace {

namespace json = boost::json;

constexpr size_t kMaxExclusives = 16;  // of oneOf under a negation: their pairs are ways

const json::value& FalseSchema() {
  static const json::value value(false);
  return value;
}

Demand Negated(Demand demand) {
  demand.node.negated = !demand.node.negated;
  demand.annotates = false;
  return demand;
}

Demand Absent(const Demand& from, std::string name) {
  Demand demand{.kind = Demand::kProperty, .node = {&FalseSchema(), from.node.pointer}};
  demand.name = std::move(name);
  return demand;
}

Demand Present(std::string name) {
  Demand demand{.kind = Demand::kPresent};
  demand.name = std::move(name);
  return demand;
}

// The entries of an object of schemas, or of lists of names.
absl::StatusOr<const json::object*> ObjectAt(const Demand& from, const char* keyword) {
  const json::value* value = from.node.schema->get_object().if_contains(keyword);
  if (value == nullptr) return nullptr;
  if (!value->is_object()) return SchemaError(from.node.pointer, keyword, "must be an object");
  return &value->get_object();
}

absl::StatusOr<std::vector<std::string>> Names(const Demand& from, std::string_view keyword,
                                               const json::value& list) {
  std::vector<std::string> names;
  bool good = list.is_array();
  for (size_t i = 0; good && i < list.get_array().size(); ++i) {
    good = list.get_array()[i].is_string();
    if (good) names.emplace_back(list.get_array()[i].get_string());
  }
  if (!good) return SchemaError(from.node.pointer, keyword, "must be a list of strings");
  return names;
}

// The ways in which one keyword of a schema can be violated.
class Violations {
 public:
  Violations(const Demand& demand, const json::value& document)
      : demand_(demand), object_(demand.node.schema->get_object()), document_(document) {}

  absl::Status Add(std::string_view keyword, const json::value& value);

  std::vector<Demands> ways;
  std::string_view without_way;  // a keyword that could be violated, but not as a grammar

 private:
  Demand Below(std::string_view keyword, const json::value& schema) const {
    return DemandBelow(demand_, schema, PointerTo(demand_.node.pointer, keyword));
  }
  Demand Positive(Demand demand) const {
    demand.node.negated = false;
    return demand;
  }
  absl::Status AddList(std::string_view keyword, const json::value& value);
  absl::Status AddDependencies(std::string_view keyword, const json::value& value);
  absl::Status AddObjectKeyword(std::string_view keyword, const json::value& value);

  const Demand& demand_;  // negated
  const json::object& object_;
  const json::value& document_;
};

constexpr std::string_view kByThemselves[] = {"type",
                                              "enum",
                                              "const",
                                              "minimum",
                                              "maximum",
                                              "multipleOf",
                                              "minLength",
                                              "maxLength",
                                              "pattern",
                                              "minItems",
                                              "maxItems",
                                              "minProperties",
                                              "maxProperties",
                                              "contains",
                                              "exclusiveMinimum",
                                              "exclusiveMaximum"};
constexpr std::string_view kPartsOfOthers[] = {"then", "else", "minContains", "maxContains"};

absl::Status Violations::Add(std::string_view keyword, const json::value& value) {
  const auto is_in = [&](const auto& list) {
    return std::find(std::begin(list), std::end(list), keyword) != std::end(list);
  };
  if (is_in(kPartsOfOthers)) return absl::OkStatus();
  if (keyword == "items" && value.is_object() && !object_.contains("prefixItems")) {
    ways.push_back({{.kind = Demand::kViolated, .node = demand_.node, .keyword = keyword}});
  } else if (is_in(kByThemselves)) {
    ways.push_back({{.kind = Demand::kViolated, .node = demand_.node, .keyword = keyword}});
  } else if (keyword == "prefixItems" && value.is_array()) {
    for (size_t i = 0; i < value.get_array().size(); ++i) {
      ways.push_back(
          {{.kind = Demand::kViolated, .node = demand_.node, .keyword = keyword, .index = i}});
    }
  } else if (keyword == "$ref") {
    Demand target = demand_;
    WL_ASSIGN_OR_RETURN(target.node, ResolveReference(demand_.node, value, document_));
    ways.push_back({std::move(target)});
  } else if (keyword == "not") {
    ways.push_back({Positive(Below(keyword, value))});
  } else if (keyword == "allOf" || keyword == "anyOf" || keyword == "oneOf") {
    return AddList(keyword, value);
  } else if (keyword == "if") {
    for (const char* branch : {"then", "else"}) {
      const json::value* schema = object_.if_contains(branch);
      if (schema == nullptr) continue;
      const Demand condition = Below(keyword, value);
      const bool holds = std::string_view(branch) == "then";
      ways.push_back({holds ? Positive(condition) : condition, Below(branch, *schema)});
    }
  } else if (keyword.starts_with("depend")) {
    return AddDependencies(keyword, value);
  } else {
    return AddObjectKeyword(keyword, value);
  }
  return absl::OkStatus();
}

absl::Status Violations::AddList(std::string_view keyword, const json::value& value) {
  if (!value.is_array()) {
    return SchemaError(demand_.node.pointer, keyword, "must be a list of schemas");
  }
  Demands all;
  for (size_t i = 0; i < value.get_array().size(); ++i) {
    all.push_back(
        DemandBelow(demand_, value.get_array()[i],
                    PointerTo(PointerTo(demand_.node.pointer, keyword), std::to_string(i))));
  }
  if (keyword == "allOf") {
    for (Demand& one : all) ways.push_back({std::move(one)});
    return absl::OkStatus();
  }
  if (keyword == "oneOf" && all.size() > kMaxExclusives) {
    without_way = keyword;
    return absl::OkStatus();
  }
  for (size_t i = 0; keyword == "oneOf" && i < all.size(); ++i) {
    for (size_t k = i + 1; k < all.size(); ++k) {
      ways.push_back({Positive(all[i]), Positive(all[k])});
    }
  }
  ways.push_back(std::move(all));
  return absl::OkStatus();
}

absl::Status Violations::AddDependencies(std::string_view keyword, const json::value& value) {
  if (!value.is_object()) {
    return SchemaError(demand_.node.pointer, keyword, "must be an object");
  }
  for (const auto& entry : value.get_object()) {
    const std::string name(entry.key());
    if (entry.value().is_array()) {
      WL_ASSIGN_OR_RETURN(const auto needed, Names(demand_, keyword, entry.value()));
      for (const std::string& other : needed) {
        ways.push_back({Present(name), Absent(demand_, other)});
      }
    } else {
      ways.push_back(
          {Present(name), DemandBelow(demand_, entry.value(),
                                      PointerTo(PointerTo(demand_.node.pointer, keyword), name))});
    }
  }
  return absl::OkStatus();
}

absl::Status Violations::AddObjectKeyword(std::string_view keyword, const json::value& value) {
  if (keyword == "required") {
    WL_ASSIGN_OR_RETURN(const auto names, Names(demand_, keyword, value));
    for (const std::string& name : names) {
      ways.push_back({{.kind = Demand::kIsObject}, Absent(demand_, name)});
    }
  } else if (keyword == "properties") {
    if (!value.is_object()) {
      return SchemaError(demand_.node.pointer, keyword, "must be an object of schemas");
    }
    for (const auto& entry : value.get_object()) {
      const std::string name(entry.key());
      Demand property = DemandBelow(demand_, entry.value(),
                                    PointerTo(PointerTo(demand_.node.pointer, keyword), name));
      property.kind = Demand::kProperty;
      property.name = name;
      ways.push_back({Present(name), std::move(property)});
    }
  } else if (keyword == "items" || keyword == "additionalItems" ||
             keyword == "additionalProperties" || keyword == "patternProperties" ||
             keyword == "propertyNames" || keyword == "uniqueItems" || keyword == "format" ||
             keyword.starts_with("unevaluated")) {
    const bool holds_always = value.is_bool() && value.get_bool() != (keyword == "uniqueItems");
    if (!holds_always) without_way = keyword;
  } else {
    return CheckDescribes(demand_.node, keyword);
  }
  return absl::OkStatus();
}

}  // namespace

Demand DemandBelow(const Demand& from, const json::value& schema, std::string pointer) {
  return {.node = {&schema, std::move(pointer), from.node.negated},
          .path = from.path,
          .annotates = from.annotates};
}

absl::StatusOr<std::vector<Demands>> WaysToViolate(const Demand& demand,
                                                   const json::value& document) {
  Violations violations(demand, document);
  for (const auto& entry : demand.node.schema->get_object()) {
    WL_RETURN_IF_ERROR(violations.Add({entry.key().data(), entry.key().size()}, entry.value()));
  }
  if (violations.ways.empty() && !violations.without_way.empty()) {
    return SchemaError(demand.node.pointer, violations.without_way,
                       "is not supported under 'not', or where 'if' or 'oneOf' need its opposite");
  }
  return std::move(violations.ways);
}

absl::StatusOr<std::vector<std::vector<Demands>>> Conditions(const Demand& demand) {
  std::vector<std::vector<Demands>> choices;
  const json::object& object = demand.node.schema->get_object();
  const auto below = [&](std::string_view keyword, const json::value& schema) {
    return DemandBelow(demand, schema, PointerTo(demand.node.pointer, keyword));
  };
  if (const json::value* schema = object.if_contains("not")) {
    choices.push_back({{Negated(below("not", *schema))}});
  }
  const json::value* condition = object.if_contains("if");
  const json::value* then = object.if_contains("then");
  const json::value* otherwise = object.if_contains("else");
  if (condition != nullptr && (then != nullptr || otherwise != nullptr)) {
    Demands holds = {below("if", *condition)}, fails = {Negated(below("if", *condition))};
    if (then != nullptr) holds.push_back(below("then", *then));
    if (otherwise != nullptr) fails.push_back(below("else", *otherwise));
    choices.push_back({std::move(holds), std::move(fails)});
  }
  for (const char* keyword : {"dependentRequired", "dependentSchemas", "dependencies"}) {
    WL_ASSIGN_OR_RETURN(const json::object* entries, ObjectAt(demand, keyword));
    if (entries == nullptr) continue;
    for (const auto& entry : *entries) {
      const std::string name(entry.key());
      Demands present = {Present(name)};
      if (entry.value().is_array()) {
        WL_ASSIGN_OR_RETURN(const auto names, Names(demand, keyword, entry.value()));
        for (const std::string& other : names) present.push_back(Present(other));
      } else {
        present.push_back(DemandBelow(demand, entry.value(),
                                      PointerTo(PointerTo(demand.node.pointer, keyword), name)));
      }
      choices.push_back({std::move(present), {Absent(demand, name)}});
    }
  }
  return choices;
}

}  // namespace waferline::grammar
