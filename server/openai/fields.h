// The fields of a request's JSON objects (wafer_backend/base/json_fields.h), with what this server
// does not support.
#pragma once

#include <boost/json/object.hpp>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "wafer_backend/base/json_fields.h"

namespace waferline::openai {

// A request body as JSON: an object, nested at most kMaxDepth levels, valid UTF-8. InvalidArgument
// says where it breaks.
inline constexpr int kMaxDepth = 128;
absl::StatusOr<boost::json::object> ParseObject(std::string_view body);

class Fields : public JsonFields {
 public:
  using JsonFields::JsonFields;

  // The field is known here but not supported: an error if it is there and not one of the values
  // that mean "off" (false, an empty array, string or object, the number `off`).
  void Unsupported(std::string_view name, std::string_view instead,
                   double off = std::numeric_limits<double>::quiet_NaN());
  // Of a field with several names, the one that the request uses; `name` if none. Two of them are
  // an error unless they say the same.
  std::string_view NameOf(std::string_view name, std::initializer_list<std::string_view> aliases);
  // What the field would turn off cannot be: an error if it is there and not true.
  void AlwaysOn(std::string_view name, std::string_view instead);

 private:
  void FailUnsupported(std::string_view name, std::string_view instead);
};

}  // namespace waferline::openai
