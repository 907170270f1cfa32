#include "server/openai/fields.h"

#include <boost/json/parser.hpp>
#include <boost/json/value.hpp>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "server/openai/api_error.h"
#include "server/openai/json_text.h"
#include "wafer_backend/base/strings.h"

namespace waferline::openai {
namespace {

namespace json = boost::json;

json::string_view Json(std::string_view text) { return {text.data(), text.size()}; }

std::string Show(double value) {
  std::string out;
  AppendNumber(out, value);
  return out;
}

std::string RangeText(int64_t lo, int64_t hi) {
  if (hi == std::numeric_limits<int64_t>::max()) return absl::StrCat("at least ", lo);
  return absl::StrCat("between ", lo, " and ", hi);
}

bool MeansOff(const json::value& value) {
  if (value.is_bool()) return !value.get_bool();
  if (value.is_array()) return value.get_array().empty();
  if (value.is_object()) return value.get_object().empty();
  if (value.is_string()) return value.get_string().empty();
  return false;
}

}  // namespace

absl::StatusOr<json::object> ParseObject(std::string_view body) {
  // Boost's parser may throw on allocation only; a body's size is bounded before it comes here.
  json::error_code error;
  json::parser parser({}, {.max_depth = kMaxDepth});
  const size_t read = parser.write_some(body.data(), body.size(), error);
  if (!error && read < body.size()) {
    return FieldError("", absl::StrCat("the body goes on after its JSON ends, at byte ", read));
  }
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat("the body is not valid JSON at byte ", read,
                                                   ": ", error.message(), " (nesting at most ",
                                                   kMaxDepth, ")"));
  }
  json::value value = parser.release();
  if (!value.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the body must be a JSON object, it is ", Absl(KindOf(value))));
  }
  return std::move(value.get_object());
}

const json::value* Fields::Find(std::string_view name) const {
  const json::value* value = object_.if_contains(Json(name));
  return value == nullptr || value->is_null() ? nullptr : value;
}

void Fields::Bool(std::string_view name, bool* target) {
  const json::value* value = Find(name);
  if (!ok() || value == nullptr) return;
  if (!value->is_bool()) {
    return Fail(name, absl::StrCat("must be true or false, not ", Absl(KindOf(*value))));
  }
  *target = value->get_bool();
}

bool Fields::ReadInt(std::string_view name, int64_t lo, int64_t hi, int64_t* out) {
  const json::value* value = Find(name);
  if (!ok() || value == nullptr) return false;
  if (!AsInteger(*value, out) || *out < lo || *out > hi) {
    const bool number = value->is_number();
    Fail(name, absl::StrCat("must be an integer ", RangeText(lo, hi), number ? "" : ", not ",
                            number ? "" : Absl(KindOf(*value))));
    return false;
  }
  return true;
}

void Fields::Number(std::string_view name, double lo, double hi, float* target) {
  const json::value* value = Find(name);
  if (!ok() || value == nullptr) return;
  json::error_code error;
  const double number = value->is_number() ? value->to_number<double>(error) : NAN;
  if (!(number >= lo && number <= hi)) {  // false for NaN, too
    return Fail(name, absl::StrCat("must be a number between ", Show(lo), " and ", Show(hi)));
  }
  *target = static_cast<float>(number);
}

void Fields::Text(std::string_view name, size_t max_bytes, std::string* target) {
  const json::value* value = Find(name);
  if (!ok() || value == nullptr) return;
  if (!value->is_string()) {
    return Fail(name, absl::StrCat("must be a string, not ", Absl(KindOf(*value))));
  }
  const json::string& text = value->get_string();
  if (text.size() > max_bytes) {
    return Fail(name, absl::StrCat("must have at most ", max_bytes, " bytes"));
  }
  target->assign(text.data(), text.size());
}

const json::object* Fields::Object(std::string_view name) {
  const json::value* value = Find(name);
  if (!ok() || value == nullptr) return nullptr;
  if (!value->is_object()) {
    Fail(name, absl::StrCat("must be an object, not ", Absl(KindOf(*value))));
    return nullptr;
  }
  return &value->get_object();
}

const json::array* Fields::Array(std::string_view name, size_t max_items) {
  const json::value* value = Find(name);
  if (!ok() || value == nullptr) return nullptr;
  if (!value->is_array() || value->get_array().size() > max_items) {
    Fail(name, absl::StrCat("must be an array of at most ", max_items, " items"));
    return nullptr;
  }
  return &value->get_array();
}

void Fields::Unsupported(std::string_view name, std::string_view instead, double off) {
  const json::value* value = Find(name);
  if (value == nullptr || MeansOff(*value)) return;
  if (value->is_number() && value->to_number<double>() == off) return;
  FailUnsupported(name, instead);
}

void Fields::AlwaysOn(std::string_view name, std::string_view instead) {
  const json::value* value = Find(name);
  if (value == nullptr || (value->is_bool() && value->get_bool())) return;
  FailUnsupported(name, instead);
}

void Fields::FailUnsupported(std::string_view name, std::string_view instead) {
  const std::string path = PathOf(name);
  Fail(WithCode(
      FieldError(path, absl::StrCat("'", path, "' is not supported here: ", Absl(instead))),
      "unsupported_parameter"));
}

void Fields::Fail(std::string_view name, std::string_view message) {
  const std::string path = PathOf(name);
  Fail(FieldError(path, absl::StrCat("'", path, "' ", Absl(message))));
}

void Fields::Fail(absl::Status status) {
  if (ok()) status_ = std::move(status);  // an OK status changes nothing
}

std::string Fields::PathOf(std::string_view name) const { return absl::StrCat(path_, Absl(name)); }

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

}  // namespace waferline::openai
