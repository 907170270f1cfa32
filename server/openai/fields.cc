#include "server/openai/fields.h"

#include <boost/json/parser.hpp>
#include <boost/json/value.hpp>

#include "absl/strings/str_cat.h"
#include "server/openai/api_error.h"
#include "server/openai/json_text.h"
#include "wafer_backend/base/strings.h"

namespace waferline::openai {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

namespace json = boost::json;

bool MeansOff(const json::value& value) {
  if (value.is_bool()) return !value.get_bool();
  if (value.is_array()) return value.get_array().empty();
  if (value.is_object()) return value.get_object().empty();
  if (value.is_string()) return value.get_string().empty();
  return false;
}

}  // namespace

absl::StatusOr<json::object> ParseObject(std::string_view body) {
  if (body.starts_with(kByteOrderMark)) body.remove_prefix(kByteOrderMark.size());
  // Boost's parser may throw on allocation only; a body's size is bounded before it comes here.
  json::error_code error;
  json::parser parser({}, {.max_depth = kMaxDepth});
  const size_t read = parser.write_some(body.data(), body.size(), error);
  if (!error && read < body.size()) {
    return FieldError("", absl::StrCat("the body goes on after its JSON ends, at byte ", read));
  }
  if (error) {
    if (error == json::error::too_deep) {
      return absl::InvalidArgumentError(absl::StrCat("the body nests deeper than ", kMaxDepth,
                                                     " levels of JSON, at byte ", read));
    }
    // To the parser a byte that is not UTF-8 is a syntax error like any other.
    const size_t valid = ValidUtf8Bytes(body);
    if (valid < body.size() && valid <= read) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the body is not valid UTF-8 at byte ", valid, " (0x",
          absl::Hex(static_cast<unsigned char>(body[valid]), absl::kZeroPad2), "); JSON is UTF-8"));
    }
    return absl::InvalidArgumentError(
        absl::StrCat("the body is not valid JSON at byte ", read, ": ", error.message()));
  }
  json::value value = parser.release();
  if (!value.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the body must be a JSON object, it is ", Absl(KindOf(value))));
  }
  return std::move(value.get_object());
}

void Fields::Unsupported(std::string_view name, std::string_view instead, double off) {
  const json::value* value = Find(name);
  if (value == nullptr || MeansOff(*value)) return;
  if (value->is_number() && value->to_number<double>() == off) return;
  FailUnsupported(name, instead);
}

std::string_view Fields::NameOf(std::string_view name,
                                std::initializer_list<std::string_view> aliases) {
  const json::value* value = Find(name);
  for (const std::string_view alias : aliases) {
    const json::value* other = Find(alias);
    if (other == nullptr) continue;
    if (value != nullptr && *value != *other) {
      Fail(name, absl::StrCat("and '", PathOf(alias), "' contradict each other; send one"));
    }
    name = alias;
    value = other;
  }
  return name;
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

}  // namespace waferline::openai
