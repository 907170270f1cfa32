// Fields of a YamlForm that may be left out. Inline, so that each reader stays one screen.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/base/yaml_form.h"

namespace waferline {

// As people write it: 5e+10, 0.5.
inline std::string ShortText(double value) {
  char text[32];
  snprintf(text, sizeof text, "%.9g", value);
  return text;
}

inline std::string TextOr(YamlForm& form, const std::string& field, std::string otherwise) {
  form.Otherwise(field, otherwise);
  return form.Has(field) ? form.Text(field) : std::move(otherwise);
}

inline double PlainOr(YamlForm& form, const std::string& field, double otherwise, Range range) {
  form.Otherwise(field, ShortText(otherwise), "number");
  form.Allowed(field, "[" + ShortText(range.min) + ", " + ShortText(range.max) + "]");
  return form.Has(field) ? form.Plain(field, range) : otherwise;
}

inline Nanoseconds MicrosecondsOr(YamlForm& form, const std::string& field, double otherwise_us,
                                  Range range_us) {
  return Nanoseconds(static_cast<int64_t>(PlainOr(form, field, otherwise_us, range_us) * 1e3));
}

// The value that `names` gives to the field's text; the error lists the names.
template <typename Value>
Value ChoiceOr(YamlForm& form, const std::string& field, Value otherwise,
               const std::vector<std::pair<std::string, Value>>& names) {
  std::string all;
  for (const auto& [name, value] : names) {
    all += (all.empty() ? "" : ", ") + name;
    if (value == otherwise) form.Otherwise(field, name);
  }
  form.Allowed(field, all);
  if (!form.Has(field)) return otherwise;
  const std::string text = form.Text(field);
  std::vector<std::string_view> allowed;
  for (const auto& [name, value] : names) {
    if (name == text) return value;
    allowed.push_back(name);
  }
  form.AddError(field, NotOneOf(text, allowed));
  return otherwise;
}

}  // namespace waferline
