#include "server/config/config_schema.h"

#include <boost/json.hpp>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "server/config/config_fields.h"
#include "wafer_backend/base/json_text.h"

namespace waferline::config {
namespace {

namespace json = boost::json;

json::object EmptyMapping() {
  return {{"type", "object"}, {"additionalProperties", false}, {"properties", json::object()}};
}

// The schema of a mapping's field, which is added if it is not there.
json::object& FieldIn(json::object& mapping, const std::string& name) {
  json::object& properties = mapping["properties"].as_object();
  json::value& field = properties[name];
  return field.is_object() ? field.get_object() : field.emplace_object();
}

// The mapping that "models[].prefill" leads to.
json::object& MappingAt(json::object& root, const std::string& path) {
  json::object* at = &root;
  if (path.empty()) return *at;
  const std::vector<std::string> steps = absl::StrSplit(path, '.');
  for (const std::string& step : steps) {
    const bool list = step.ends_with("[]");
    json::object& field = FieldIn(*at, list ? step.substr(0, step.size() - 2) : step);
    if (list) {
      field["type"] = "array";
      if (!field.contains("items")) field["items"] = EmptyMapping();
      at = &field["items"].as_object();
    } else {
      if (!field.contains("properties")) field = EmptyMapping();
      at = &field;
    }
  }
  return *at;
}

// "[1, 1024]", as a reader writes its range.
void AddRange(const std::string& allowed, json::object* field) {
  const std::vector<std::string> ends =
      absl::StrSplit(allowed, absl::ByAnyChar("[], "), absl::SkipEmpty());
  double low = 0, high = 0;
  if (ends.size() != 2 || !absl::SimpleAtod(ends[0], &low) || !absl::SimpleAtod(ends[1], &high))
    return;
  (*field)["minimum"] = low;
  (*field)["maximum"] = high;
}

json::object ScalarOf(const FieldFacts& facts) {
  json::object field;
  if (facts.type == "true or false") {
    field["type"] = "boolean";
  } else if (facts.type == "whole number" || facts.type == "number") {
    field["type"] = facts.type == "number" ? "number" : "integer";
    AddRange(facts.allowed, &field);
  } else if (!facts.allowed.empty()) {
    json::array choices;
    for (const absl::string_view choice : absl::StrSplit(facts.allowed, ", ")) {
      choices.emplace_back(std::string(choice));
    }
    field["enum"] = std::move(choices);
  } else {
    field["type"] = {"string", "number", "boolean"};  // any scalar is text
  }
  if (!facts.otherwise.empty()) field["description"] = "default: " + facts.otherwise;
  return field;
}

void AddField(const FieldFacts& facts, json::object* root) {
  const size_t dot = facts.path.rfind('.');
  json::object& mapping =
      MappingAt(*root, dot == std::string::npos ? "" : facts.path.substr(0, dot));
  if (facts.type == "mapping" || facts.type == "list of mappings") {
    MappingAt(*root, facts.path + (facts.type == "mapping" ? "" : "[]"));
  }
  json::object& field = FieldIn(mapping, facts.path.substr(dot == std::string::npos ? 0 : dot + 1));
  if (field.empty()) field = ScalarOf(facts);
  if (facts.about.empty()) return;
  const bool more = field.contains("description");
  field["description"] =
      facts.about + (more ? "; " + json::value_to<std::string>(field["description"]) : "");
}

}  // namespace

std::string ConfigSchema() {
  json::object root{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                    {"title", "Configuration of waferd"}};
  for (auto& [name, value] : EmptyMapping()) root[name] = value;
  for (const FieldFacts& field : AllFields()) AddField(field, &root);
  for (const std::string& path : AlwaysRequired()) {
    const size_t dot = path.rfind('.');
    json::object& mapping = MappingAt(root, dot == std::string::npos ? "" : path.substr(0, dot));
    json::value& required = mapping["required"];
    if (!required.is_array()) required.emplace_array();
    required.get_array().emplace_back(path.substr(dot == std::string::npos ? 0 : dot + 1));
  }
  return JsonText(root) + "\n";
}

}  // namespace waferline::config
