#include "wafer_backend/compute/grammar/schema_keywords.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/json_fields.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/grammar/regex.h"
#include "wafer_backend/compute/grammar/schema_keyword_reader.h"
#include "wafer_backend/compute/grammar/work_meter.h"

namespace waferline::grammar {

static constexpr int64_t kMaxRepeat = 16'384;  // of a length or a number of items: each is a state

const KeywordReader::Keyword KeywordReader::kKeywords[] = {
    {"$ref", &KeywordReader::ReadElsewhere},
    {"allOf", &KeywordReader::ReadElsewhere},
    {"anyOf", &KeywordReader::ReadElsewhere},
    {"oneOf", &KeywordReader::ReadElsewhere},
    {"properties", &KeywordReader::ReadElsewhere},
    {"patternProperties", &KeywordReader::ReadElsewhere},
    {"additionalProperties", &KeywordReader::ReadElsewhere},
    {"prefixItems", &KeywordReader::ReadElsewhere},
    {"items", &KeywordReader::ReadElsewhere},
    {"additionalItems", &KeywordReader::ReadElsewhere},
    {"type", &KeywordReader::ReadType},
    {"enum", &KeywordReader::ReadEnum},
    {"const", &KeywordReader::ReadConst},
    {"minimum", &KeywordReader::ReadBound},
    {"maximum", &KeywordReader::ReadBound},
    {"exclusiveMinimum", &KeywordReader::ReadBound},
    {"exclusiveMaximum", &KeywordReader::ReadBound},
    {"multipleOf", &KeywordReader::ReadMultiple},
    {"minLength", &KeywordReader::ReadLength},
    {"maxLength", &KeywordReader::ReadLength},
    {"minItems", &KeywordReader::ReadLength},
    {"maxItems", &KeywordReader::ReadLength},
    {"minProperties", &KeywordReader::ReadLength},
    {"maxProperties", &KeywordReader::ReadLength},
    {"pattern", &KeywordReader::ReadPattern},
    {"format", &KeywordReader::ReadFormat},
    {"propertyNames", &KeywordReader::ReadNames},
    {"required", &KeywordReader::ReadRequired},
    {"uniqueItems", &KeywordReader::ReadUnique},
    {"contains", &KeywordReader::ReadContains},
    {"minContains", &KeywordReader::ReadElsewhere},
    {"maxContains", &KeywordReader::ReadElsewhere},
    {"unevaluatedItems", &KeywordReader::ReadUnevaluated},
    {"unevaluatedProperties", &KeywordReader::ReadUnevaluated},
    {"not", &KeywordReader::ReadElsewhere},
    {"if", &KeywordReader::ReadElsewhere},
    {"then", &KeywordReader::ReadElsewhere},
    {"else", &KeywordReader::ReadElsewhere},
    {"dependentRequired", &KeywordReader::ReadElsewhere},
    {"dependentSchemas", &KeywordReader::ReadElsewhere},
    {"dependencies", &KeywordReader::ReadElsewhere},
};

absl::Status KeywordReader::Read() {
  for (const auto& entry : object_) {
    const std::string_view name(entry.key().data(), entry.key().size());
    const auto known = std::find_if(std::begin(kKeywords), std::end(kKeywords),
                                    [&](const Keyword& one) { return one.name == name; });
    if (known != std::end(kKeywords)) {
      WL_RETURN_IF_ERROR((this->*known->read)(name, entry.value()));
    } else {
      WL_RETURN_IF_ERROR(CheckDescribes(node_, name));
    }
  }
  WL_RETURN_IF_ERROR(ReadArray());
  return ReadObject();
}

absl::StatusOr<size_t> KeywordReader::Count(std::string_view keyword,
                                            const json::value& value) const {
  int64_t count = 0;
  if (!AsInteger(value, &count) || count < 0) {
    return Error(keyword, "must be a whole number that is not negative");
  }
  if (count > kMaxRepeat) return Error(keyword, absl::StrCat("is larger than ", kMaxRepeat));
  return static_cast<size_t>(count);
}

absl::Status KeywordReader::CheckSchema(std::string_view keyword, const SchemaNode& node) const {
  if (node.schema->is_object() || node.schema->is_bool()) return absl::OkStatus();
  return Error(keyword, "must have schemas: objects, true or false");
}

absl::StatusOr<std::vector<SchemaNode>> KeywordReader::List(std::string_view keyword,
                                                            const json::value& value) const {
  if (!value.is_array()) return Error(keyword, "must be a list of schemas");
  std::vector<SchemaNode> nodes;
  for (size_t i = 0; i < value.get_array().size(); ++i) {
    nodes.push_back(
        {&value.get_array()[i], PointerTo(PointerTo(node_.pointer, keyword), std::to_string(i))});
    WL_RETURN_IF_ERROR(CheckSchema(keyword, nodes.back()));
  }
  return nodes;
}

absl::StatusOr<std::vector<std::pair<std::string, SchemaNode>>> KeywordReader::Map(
    std::string_view keyword, const json::value& value) const {
  if (!value.is_object()) return Error(keyword, "must be an object of schemas");
  std::vector<std::pair<std::string, SchemaNode>> nodes;
  for (const auto& entry : value.get_object()) {
    std::string name(entry.key());
    SchemaNode node{&entry.value(), PointerTo(PointerTo(node_.pointer, keyword), name)};
    WL_RETURN_IF_ERROR(CheckSchema(keyword, node));
    nodes.emplace_back(std::move(name), std::move(node));
  }
  return nodes;
}

absl::Status KeywordReader::ReadNames(std::string_view keyword, const json::value& value) {
  facts_.names.push_back(Below(keyword, value));
  return CheckSchema(keyword, facts_.names.back());
}

absl::Status KeywordReader::ReadRequired(std::string_view keyword, const json::value& value) {
  if (!value.is_array()) return Error(keyword, "must be a list of strings");
  for (const json::value& one : value.get_array()) {
    if (!one.is_string()) return Error(keyword, "must be a list of strings");
    std::string name(one.get_string());
    WL_RETURN_IF_ERROR(WorkMeter::Spend(1 + facts_.required.size()));
    if (std::find(facts_.required.begin(), facts_.required.end(), name) == facts_.required.end()) {
      facts_.required.push_back(std::move(name));
    }
  }
  facts_.pointer = node_.pointer;
  return absl::OkStatus();
}

absl::Status KeywordReader::ReadUnique(std::string_view keyword, const json::value& value) {
  if (!value.is_bool()) return Error(keyword, "must be true or false");
  facts_.unique_items |= value.get_bool();
  facts_.pointer = node_.pointer;
  return absl::OkStatus();
}

absl::Status KeywordReader::ReadContains(std::string_view keyword, const json::value& value) {
  Contains contains{.node = Below(keyword, value)};
  WL_RETURN_IF_ERROR(CheckSchema(keyword, contains.node));
  if (const json::value* min = object_.if_contains("minContains")) {
    WL_ASSIGN_OR_RETURN(contains.min, Count("minContains", *min));
  }
  if (const json::value* max = object_.if_contains("maxContains")) {
    WL_ASSIGN_OR_RETURN(contains.max, Count("maxContains", *max));
  }
  facts_.pointer = node_.pointer;
  if (contains.min > 0 || contains.max != SchemaFacts::kNoMax) facts_.contains.push_back(contains);
  return absl::OkStatus();
}

absl::Status KeywordReader::ReadUnevaluated(std::string_view keyword, const json::value& value) {
  const Unevaluated unevaluated{Below(keyword, value), node_.schema};
  WL_RETURN_IF_ERROR(CheckSchema(keyword, unevaluated.node));
  facts_.pointer = node_.pointer;
  (keyword == "unevaluatedItems" ? facts_.unevaluated_items : facts_.unevaluated_properties)
      .push_back(unevaluated);
  return absl::OkStatus();
}

absl::Status KeywordReader::ReadArray() {
  const json::value* first = object_.if_contains("prefixItems");
  const json::value* others = object_.if_contains("items");
  std::string_view first_name = "prefixItems", others_name = "items";
  if (others != nullptr && others->is_array()) {  // before draft 2020-12
    first = std::exchange(others, object_.if_contains("additionalItems"));
    first_name = "items", others_name = "additionalItems";
  }
  if (first == nullptr && others == nullptr) return absl::OkStatus();
  ArrayView view;
  if (first != nullptr) {
    WL_ASSIGN_OR_RETURN(view.first, List(first_name, *first));
  }
  if (others != nullptr) {
    view.others = Below(others_name, *others);
    WL_RETURN_IF_ERROR(CheckSchema(others_name, *view.others));
  }
  facts_.arrays.push_back(std::move(view));
  facts_.pointer = node_.pointer;
  return absl::OkStatus();
}

absl::Status KeywordReader::ReadObject() {
  ObjectView view;
  bool any = false;
  if (const json::value* properties = object_.if_contains("properties")) {
    WL_ASSIGN_OR_RETURN(view.properties, Map("properties", *properties));
    any = true;
  }
  if (const json::value* patterns = object_.if_contains("patternProperties")) {
    WL_ASSIGN_OR_RETURN(auto nodes, Map("patternProperties", *patterns));
    for (auto& [pattern, node] : nodes) {
      auto texts = ParseRegex(pattern, RegexMatch::kSearch);
      if (!texts.ok()) return Error("patternProperties", Std(texts.status().message()));
      view.patterns.emplace_back(*std::move(texts), std::move(node));
    }
    any = true;
  }
  if (const json::value* others = object_.if_contains("additionalProperties")) {
    view.others = Below("additionalProperties", *others);
    WL_RETURN_IF_ERROR(CheckSchema("additionalProperties", *view.others));
    any = true;
  }
  if (!any) return absl::OkStatus();
  facts_.objects.push_back(std::move(view));
  facts_.pointer = node_.pointer;
  return absl::OkStatus();
}

absl::Status ReadKeywords(const SchemaNode& node, SchemaFacts* facts) {
  return KeywordReader(node, facts).Read();
}

}  // namespace waferline::grammar
