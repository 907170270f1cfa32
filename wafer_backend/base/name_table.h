// Fixed tables of names: what files, requests and command lines call a value. Names are snake_case;
// readers accept '-' for '_'. Pure functions, any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace waferline {

template <typename Value>
struct NamedValue {
  std::string_view name;
  Value value;
};

// Whether `given` spells `name`; '-' and '_' are the same.
bool IsName(std::string_view given, std::string_view name);

// Of `allowed`, the name that `given` is probably a misspelling or the beginning of; empty if none
// is close.
std::string_view NearestName(std::string_view given, std::span<const std::string_view> allowed);

// "; did you mean 'NAME'?" with that name, which `prefix` precedes; empty if none is close.
std::string DidYouMean(std::string_view given, std::span<const std::string_view> allowed,
                       std::string_view prefix = "");

// Ends of error messages. MustBeOneOf: must be one of: core, thermal; did you mean 'thermal'?
// NotOneOf, after a field's name: is "termal", must be one of: ...
std::string MustBeOneOf(std::string_view given, std::span<const std::string_view> allowed);
std::string NotOneOf(std::string_view given, std::span<const std::string_view> allowed);

template <typename Value, size_t N>
std::optional<Value> ValueNamed(const NamedValue<Value> (&table)[N], std::string_view given) {
  for (const NamedValue<Value>& row : table) {
    if (IsName(given, row.name)) return row.value;
  }
  return std::nullopt;
}

// Empty if the table does not have the value.
template <typename Value, size_t N>
std::string_view NameIn(const NamedValue<Value> (&table)[N], Value value) {
  for (const NamedValue<Value>& row : table) {
    if (row.value == value) return row.name;
  }
  return {};
}

template <typename Value, size_t N>
std::vector<std::string_view> NamesOf(const NamedValue<Value> (&table)[N]) {
  std::vector<std::string_view> names;
  for (const NamedValue<Value>& row : table) names.push_back(row.name);
  return names;
}

}  // namespace waferline
