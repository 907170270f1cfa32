#include "wafer_backend/base/json_fields.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "wafer_backend/base/field_error.h"
#include "wafer_backend/base/number_text.h"
#include "wafer_backend/base/strings.h"

namespace waferline {
namespace {

namespace json = boost::json;

json::string_view Json(std::string_view text) { return {text.data(), text.size()}; }

std::string RangeText(int64_t lo, int64_t hi) {
  if (hi == std::numeric_limits<int64_t>::max()) return absl::StrCat("at least ", lo);
  return absl::StrCat("between ", lo, " and ", hi);
}

// Its value if it is a number, else its kind: what a sender wrote may be long, or a secret.
std::string Show(const json::value& value) {
  if (value.is_int64()) return absl::StrCat(value.get_int64());
  if (value.is_uint64()) return absl::StrCat(value.get_uint64());
  if (value.is_double()) return NumberText(value.get_double());
  return std::string(KindOf(value));
}

}  // namespace

const json::value* JsonFields::Find(std::string_view name) const {
  const auto found = object_.find(Json(name));
  if (found == object_.end()) return nullptr;
  read_[static_cast<size_t>(found - object_.begin())] = true;
  return found->value().is_null() ? nullptr : &found->value();
}

std::vector<std::string_view> JsonFields::Unread() const {
  std::vector<std::string_view> names;
  for (size_t i = 0; i < read_.size(); ++i) {
    const json::string_view key = object_.begin()[i].key();
    if (!read_[i]) names.emplace_back(key.data(), key.size());
  }
  return names;
}

void JsonFields::Require(std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (!Has(name)) Fail(name, "is missing");
  }
}

void JsonFields::RefuseOthers(std::initializer_list<std::string_view> known) {
  for (const auto& field : object_) {
    const std::string_view name(field.key().data(), field.key().size());
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    return Fail(name, absl::StrCat("is not known here; known: ",
                                   absl::StrJoin(known, ", ", [](std::string* out, auto one) {
                                     out->append(one);
                                   })));
  }
}

void JsonFields::Bool(std::string_view name, bool* target) {
  const json::value* value = Find(name);
  if (!ok() || value == nullptr) return;
  if (!value->is_bool()) {
    return Fail(name, absl::StrCat("must be true or false, not ", Show(*value)));
  }
  *target = value->get_bool();
}

bool JsonFields::ReadInt(std::string_view name, int64_t lo, int64_t hi, int64_t* out) {
  const json::value* value = Find(name);
  if (!ok() || value == nullptr) return false;
  if (AsInteger(*value, out) && *out >= lo && *out <= hi) return true;
  Fail(name, absl::StrCat("must be an integer ", RangeText(lo, hi), ", not ", Show(*value)));
  return false;
}

bool JsonFields::ReadNumber(std::string_view name, double lo, double hi, double* out) {
  const json::value* value = Find(name);
  if (!ok() || value == nullptr) return false;
  json::error_code error;
  *out = value->is_number() ? value->to_number<double>(error) : NAN;
  if (*out >= lo && *out <= hi) return true;  // false for NaN, too
  Fail(name, absl::StrCat("must be a number between ", NumberText(lo), " and ", NumberText(hi),
                          ", not ", Show(*value)));
  return false;
}

void JsonFields::Text(std::string_view name, size_t max_bytes, std::string* target) {
  const json::value* value = Find(name);
  if (!ok() || value == nullptr) return;
  if (!value->is_string()) {
    return Fail(name, absl::StrCat("must be a string, not ", Show(*value)));
  }
  const json::string& text = value->get_string();
  if (text.size() > max_bytes) {
    return Fail(name, absl::StrCat("must have at most ", max_bytes, " bytes, not ", text.size()));
  }
  target->assign(text.data(), text.size());
}

const json::object* JsonFields::Object(std::string_view name) {
  const json::value* value = Find(name);
  if (!ok() || value == nullptr) return nullptr;
  if (value->is_object()) return &value->get_object();
  Fail(name, absl::StrCat("must be an object, not ", Show(*value)));
  return nullptr;
}

const json::array* JsonFields::Array(std::string_view name, size_t max_items) {
  const json::value* value = Find(name);
  if (!ok() || value == nullptr) return nullptr;
  if (value->is_array() && value->get_array().size() <= max_items) return &value->get_array();
  const std::string most =
      max_items == std::string::npos ? "" : absl::StrCat(" of at most ", max_items, " items");
  Fail(name, absl::StrCat("must be an array", most, ", not ",
                          value->is_array() ? absl::StrCat(value->get_array().size(), " items")
                                            : Show(*value)));
  return nullptr;
}

void JsonFields::Fail(std::string_view name, std::string_view message) {
  const std::string path = PathOf(name);
  Fail(WithField(absl::InvalidArgumentError(absl::StrCat("'", path, "' ", Absl(message))), path));
}

void JsonFields::Fail(absl::Status status) {
  if (ok()) status_ = std::move(status);  // an OK status changes nothing
}

std::string JsonFields::PathOf(std::string_view name) const {
  return absl::StrCat(path_, Absl(name));
}

bool AsInteger(const json::value& value, int64_t* out) {
  if (value.is_int64()) {
    *out = value.get_int64();
    return true;
  }
  if (value.is_double()) {
    const double number = value.get_double();
    if (number != std::floor(number) || std::abs(number) > 9007199254740992.0) return false;
    *out = static_cast<int64_t>(number);
    return true;
  }
  return false;
}

std::string_view KindOf(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a boolean";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "an array";
    case json::kind::object:
      return "an object";
    default:
      return "a number";
  }
}

}  // namespace waferline
