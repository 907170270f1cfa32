// Fields of a YamlForm whose text has a parser of its own (decimal numbers, instants), and lists of
// a bounded length.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/yaml_form.h"

namespace waferline {

// What `parse` makes of the field's text; a Value{} if it is missing or wrong.
template <typename Value>
Value ParsedField(YamlForm& form, const std::string& field,
                  absl::StatusOr<Value> (*parse)(std::string_view)) {
  const std::string text = form.Text(field);
  if (text.empty()) return Value{};  // Text has said why
  absl::StatusOr<Value> value = parse(text);
  if (value.ok()) return *value;
  form.AddError(field, std::string(value.status().message()));
  return Value{};
}

template <typename Value>
Value ParsedFieldOr(YamlForm& form, const std::string& field, Value otherwise,
                    absl::StatusOr<Value> (*parse)(std::string_view)) {
  return form.Has(field) ? ParsedField(form, field, parse) : otherwise;
}

// At most `max` entries are read; more are an error.
inline std::vector<YamlForm> BoundedList(YamlForm& form, const std::string& field, size_t max) {
  std::vector<YamlForm> entries = form.List(field);
  if (entries.size() > max) {
    form.AddError(field, absl::StrCat("has ", entries.size(), " entries, at most ", max));
    entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(max), entries.end());
  }
  return entries;
}

// The last of `values` has a name of its own, which `form`'s field "name" gave it.
template <typename Value>
void RefuseRepeated(YamlForm& form, const std::vector<Value>& values, std::string Value::*name) {
  for (size_t i = 0; i + 1 < values.size(); ++i) {
    if (values[i].*name == values.back().*name) {
      form.AddError("name", absl::StrCat("is \"", values.back().*name, "\", which is given twice"));
      return;
    }
  }
}

}  // namespace waferline
