#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>

#include "wafer_backend/compute/grammar/schema_rules.h"

namespace waferline::grammar {
namespace {

namespace json = boost::json;

void AppendString(std::string_view text, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  *out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '"':
        *out += "\\\"";
        break;
      case '\\':
        *out += "\\\\";
        break;
      case '\b':
        *out += "\\b";
        break;
      case '\f':
        *out += "\\f";
        break;
      case '\n':
        *out += "\\n";
        break;
      case '\r':
        *out += "\\r";
        break;
      case '\t':
        *out += "\\t";
        break;
      default:
        if (byte < 0x20) {
          *out += "\\u00";
          *out += kHex[byte >> 4];
          *out += kHex[byte & 15];
        } else {
          *out += c;
        }
    }
  }
  *out += '"';
}

void AppendValue(const json::value& value, Literals literals, std::string* out) {
  if (value.is_string()) {
    AppendString({value.get_string().data(), value.get_string().size()}, out);
  } else if (value.is_array()) {
    *out += '[';
    for (size_t i = 0; i < value.get_array().size(); ++i) {
      if (i > 0) *out += ',';
      AppendValue(value.get_array()[i], literals, out);
    }
    *out += ']';
  } else if (value.is_object()) {
    *out += '{';
    bool first = true;
    for (const auto& entry : value.get_object()) {
      if (!std::exchange(first, false)) *out += ',';
      AppendString({entry.key().data(), entry.key().size()}, out);
      *out += ':';
      AppendValue(entry.value(), literals, out);
    }
    *out += '}';
  } else if (value.is_double()) {
    std::array<char, 32> text;
    out->append(text.begin(), std::to_chars(text.begin(), text.end(), value.get_double()).ptr);
  } else if (value.is_int64()) {
    *out += std::to_string(value.get_int64());
  } else if (value.is_uint64()) {
    *out += std::to_string(value.get_uint64());
  } else {
    const bool python = literals == Literals::kPython;
    *out += value.is_null()    ? (python ? "None" : "null")
            : value.get_bool() ? (python ? "True" : "true")
                               : (python ? "False" : "false");
  }
}

}  // namespace

std::string JsonText(const json::value& value, Literals literals) {
  std::string text;
  AppendValue(value, literals, &text);
  return text;
}

}  // namespace waferline::grammar
