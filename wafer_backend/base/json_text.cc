#include "wafer_backend/base/json_text.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <cmath>
#include <string_view>

namespace waferline {
namespace {

namespace json = boost::json;

void Append(const json::value& value, std::string& out) {
  if (const auto* object = value.if_object()) {
    out += '{';
    for (auto it = object->begin(); it != object->end(); ++it) {
      if (it != object->begin()) out += ',';
      out += json::serialize(json::string_view(it->key()));
      out += ':';
      Append(it->value(), out);
    }
    out += '}';
  } else if (const auto* array = value.if_array()) {
    out += '[';
    for (size_t i = 0; i < array->size(); ++i) {
      if (i > 0) out += ',';
      Append((*array)[i], out);
    }
    out += ']';
  } else if (const auto* number = value.if_double()) {
    AppendJsonNumber(out, *number);
  } else {
    out += json::serialize(value);
  }
}

}  // namespace

void AppendJsonNumber(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  char digits[40];
  const std::string_view text(
      digits,
      static_cast<size_t>(std::to_chars(digits, digits + sizeof digits, value).ptr - digits));
  out += text;
  if (text.find_first_of(".e") == std::string_view::npos) out += ".0";
}

std::string JsonText(const json::value& value) {
  std::string out;
  Append(value, out);
  return out;
}

}  // namespace waferline
