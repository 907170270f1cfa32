// MergePart of schema_demands.h: facts of what violates one keyword.
#include <algorithm>
#include <boost/json/object.hpp>
#include <utility>

#include "wafer_backend/base/json_fields.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/grammar/regex.h"
#include "wafer_backend/compute/grammar/schema_demands.h"
#include "wafer_backend/compute/grammar/schema_keywords.h"

namespace waferline::grammar {
namespace {

namespace json = boost::json;

constexpr uint8_t kNumbers = kInteger | kFraction;

class Violation {
 public:
  Violation(const Demand& demand, SchemaFacts* facts)
      : node_(demand.node),
        object_(node_.schema->get_object()),
        value_(object_.at(boost::json::string_view(demand.keyword.data(), demand.keyword.size()))),
        index_(demand.index),
        facts_(*facts) {
    facts_.pointer = node_.pointer;
  }

  absl::StatusOr<bool> Merge(std::string_view keyword) {
    if (keyword == "type") return MergeType();
    if (keyword == "enum" || keyword == "const") return MergeValues(keyword);
    if (keyword.ends_with("imum")) return MergeBound(keyword);
    if (keyword == "multipleOf") return MergeMultiple();
    if (keyword == "pattern") return MergePattern();
    if (keyword == "contains") return MergeContains();
    if (keyword == "items" || keyword == "prefixItems") return MergeItems(keyword);
    return MergeCount(keyword);
  }

 private:
  // Reads one keyword as if it were all of the schema.
  absl::Status Read(std::string_view keyword, json::value value, SchemaFacts* facts) const {
    const json::value schema = json::object(
        {{boost::json::string_view(keyword.data(), keyword.size()), std::move(value)}});
    return ReadKeywords({&schema, node_.pointer}, facts);
  }
  bool Keep(int types) {
    facts_.types &= static_cast<uint8_t>(types);
    return facts_.types != 0;
  }
  SchemaNode Below(std::string_view keyword, const json::value& schema, bool negated) const {
    return {&schema, PointerTo(node_.pointer, keyword), negated};
  }

  absl::StatusOr<bool> MergeType() {
    SchemaFacts wanted;
    WL_RETURN_IF_ERROR(Read("type", value_, &wanted));
    return Keep(~wanted.types);
  }

  absl::StatusOr<bool> MergeValues(std::string_view keyword) {
    facts_.excluded_pointer = PointerTo(node_.pointer, keyword);
    if (keyword == "const") {
      facts_.excluded.push_back(&value_);
      return true;
    }
    if (!value_.is_array()) return SchemaError(node_.pointer, keyword, "must be a list of values");
    for (const json::value& one : value_.get_array()) facts_.excluded.push_back(&one);
    return true;
  }

  absl::StatusOr<bool> MergeBound(std::string_view keyword) {
    const json::value* flag =
        object_.if_contains(keyword == "minimum" ? "exclusiveMinimum" : "exclusiveMaximum");
    if (value_.is_bool() || (flag != nullptr && flag->is_bool())) {  // draft 4's
      return SchemaError(
          node_.pointer, keyword,
          "is not supported next to its exclusive form where its opposite is needed");
    }
    const std::string_view opposite = keyword == "minimum"            ? "exclusiveMaximum"
                                      : keyword == "maximum"          ? "exclusiveMinimum"
                                      : keyword == "exclusiveMinimum" ? "maximum"
                                                                      : "minimum";
    WL_RETURN_IF_ERROR(Read(opposite, value_, &facts_));
    return Keep(kNumbers);
  }

  absl::StatusOr<bool> MergeMultiple() {
    WL_ASSIGN_OR_RETURN(const Multiple multiple, ParseMultiple(node_, value_));
    facts_.no_multiple_of.push_back(multiple);
    return Keep(kNumbers);
  }

  absl::StatusOr<bool> MergePattern() {
    if (!value_.is_string()) return SchemaError(node_.pointer, "pattern", "must be a string");
    const std::string_view pattern = ViewOf(value_.get_string());
    for (const char* inexact : {"\\s", "\\S", "\\D", "\\W"}) {
      if (pattern.find(inexact) == std::string_view::npos) continue;
      return SchemaError(node_.pointer, "pattern",
                         "is not supported where its opposite is needed: dialects disagree about "
                         "\\s, \\S, \\D and \\W");
    }
    WL_ASSIGN_OR_RETURN(const CharAutomaton texts, ParseRegex(pattern, RegexMatch::kSearch));
    facts_.texts.push_back(texts.Not());
    return Keep(kString);
  }

  absl::StatusOr<bool> MergeContains() {
    SchemaFacts read;
    WL_RETURN_IF_ERROR(ReadKeywords(node_, &read));
    if (read.contains.empty()) return false;  // no number of them violates it
    const Contains& wanted = read.contains.front();
    if (wanted.max != SchemaFacts::kNoMax) {
      return SchemaError(node_.pointer, "maxContains",
                         "is not supported where its opposite is needed");
    }
    if (wanted.min == 1) {
      facts_.arrays.push_back({.first = {}, .others = Below("contains", value_, true)});
    } else {
      facts_.contains.push_back({Below("contains", value_, false), 0, wanted.min - 1});
    }
    return Keep(kArray);
  }

  absl::StatusOr<bool> MergeItems(std::string_view keyword) {
    if (keyword == "items") {
      facts_.contains.push_back({.node = Below(keyword, value_, true)});
      return Keep(kArray);
    }
    static const json::value any(true);
    ArrayView view;
    view.first.assign(index_, {&any, node_.pointer});
    view.first.push_back({&value_.get_array()[index_],
                          PointerTo(PointerTo(node_.pointer, keyword), std::to_string(index_)),
                          true});
    facts_.arrays.push_back(std::move(view));
    facts_.min_items = std::max(facts_.min_items, index_ + 1);
    return Keep(kArray);
  }

  // minLength, maxItems and the like.
  absl::StatusOr<bool> MergeCount(std::string_view keyword) {
    SchemaFacts checked;
    WL_RETURN_IF_ERROR(Read(keyword, value_, &checked));
    const auto count = value_.to_number<int64_t>();
    const bool is_min = keyword.starts_with("min");
    if (is_min && count == 0) return false;
    const std::string opposite = std::string(is_min ? "max" : "min").append(keyword.substr(3));
    WL_RETURN_IF_ERROR(Read(opposite, is_min ? count - 1 : count + 1, &facts_));
    return Keep(keyword.ends_with("Length")  ? kString
                : keyword.ends_with("Items") ? kArray
                                             : kObject);
  }

  const SchemaNode& node_;
  const json::object& object_;
  const json::value& value_;
  const size_t index_;
  SchemaFacts& facts_;
};

}  // namespace

absl::StatusOr<bool> MergePart(const Demand& demand, SchemaFacts* facts) {
  switch (demand.kind) {
    case Demand::kProperty: {
      ObjectView view;
      view.properties.emplace_back(demand.name, demand.node);
      view.declares = false;
      facts->objects.push_back(std::move(view));
      facts->pointer = demand.node.pointer;
      return true;
    }
    case Demand::kPresent:
      if (std::find(facts->required.begin(), facts->required.end(), demand.name) ==
          facts->required.end()) {
        facts->required.push_back(demand.name);
      }
      [[fallthrough]];
    case Demand::kIsObject:
      facts->types &= kObject;
      return facts->types != 0;
    case Demand::kViolated:
      return Violation(demand, facts).Merge(demand.keyword);
    case Demand::kSchema:
      break;
  }
  return absl::InternalError("a whole schema is not a part");
}

}  // namespace waferline::grammar
