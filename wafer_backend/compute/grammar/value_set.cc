#include "wafer_backend/compute/grammar/value_set.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <map>
#include <string_view>

#include "wafer_backend/compute/grammar/numbers.h"
#include "wafer_backend/compute/grammar/schema_rules.h"

namespace waferline::grammar {
namespace {

namespace json = boost::json;

// As JSON, with one way to write a number, and properties by name.
void AppendKey(const json::value& value, std::string* key) {
  if (value.is_double()) {
    // 1.0 and -0.0 are written as integers are; what has too many digits is an integer of none.
    const auto text = DecimalText(value);
    *key += !text ? JsonText(value) : *text == "-0" ? "0" : *text;
  } else if (value.is_array()) {
    *key += '[';
    for (const json::value& one : value.get_array()) {
      AppendKey(one, key);
      *key += ',';
    }
    *key += ']';
  } else if (value.is_object()) {
    std::map<std::string_view, const json::value*> members;
    for (const auto& entry : value.get_object()) {
      members.emplace(std::string_view(entry.key().data(), entry.key().size()), &entry.value());
    }
    *key += '{';
    for (const auto& [name, member] : members) {
      *key += JsonText(json::string(name.data(), name.size()));
      *key += ':';
      AppendKey(*member, key);
      *key += ',';
    }
    *key += '}';
  } else {
    *key += JsonText(value);
  }
}

std::string KeyOf(const json::value& value) {
  std::string key;
  AppendKey(value, &key);
  return key;
}

}  // namespace

ValueSet::ValueSet(const Values& values) {
  for (const json::value* value : values) Add(*value);
}

bool ValueSet::Add(const json::value& value) { return texts_.insert(KeyOf(value)).second; }

bool ValueSet::Contains(const json::value& value) const { return texts_.contains(KeyOf(value)); }

}  // namespace waferline::grammar
