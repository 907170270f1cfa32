// Reads the fields of one JSON object of a request, and remembers the first thing that is wrong.
// After an error every call does nothing, so a codec reads all its fields and looks at status()
// once. An absent field and null leave the target as it is. A value; the object must outlive it.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace waferline::openai {

// A request body as JSON: an object, nested at most kMaxDepth levels, valid UTF-8. InvalidArgument
// says where it breaks.
inline constexpr int kMaxDepth = 32;
absl::StatusOr<boost::json::object> ParseObject(std::string_view body);

class Fields {
 public:
  // `path` is what names of fields are prefixed with in errors ("messages[2]."), "" at the top.
  explicit Fields(const boost::json::object& object, std::string path = "")
      : object_(object), path_(std::move(path)) {}

  const absl::Status& status() const { return status_; }
  bool ok() const { return status_.ok(); }

  // The field's value; null if it is absent or null.
  const boost::json::value* Find(std::string_view name) const;

  void Bool(std::string_view name, bool* target);
  // `lo` and `hi` are the smallest and largest value allowed.
  template <typename Integer>
  void Int(std::string_view name, int64_t lo, int64_t hi, Integer* target) {
    int64_t value = 0;
    if (ReadInt(name, lo, hi, &value)) *target = static_cast<Integer>(value);
  }
  void Number(std::string_view name, double lo, double hi, float* target);
  void Text(std::string_view name, size_t max_bytes, std::string* target);
  // Null if the field is absent; an object or array of the wrong kind is an error.
  const boost::json::object* Object(std::string_view name);
  const boost::json::array* Array(std::string_view name, size_t max_items);

  // The field is known here but not supported: an error if it is there and not one of the values
  // that mean "off" (false, an empty array, string or object, the number `off`).
  void Unsupported(std::string_view name, std::string_view instead,
                   double off = std::numeric_limits<double>::quiet_NaN());
  // What the field would turn off cannot be: an error if it is there and not true.
  void AlwaysOn(std::string_view name, std::string_view instead);

  // An error at `name` ("" for the object itself), unless there was one before.
  void Fail(std::string_view name, std::string_view message);
  void Fail(absl::Status status);

  std::string PathOf(std::string_view name) const;

 private:
  bool ReadInt(std::string_view name, int64_t lo, int64_t hi, int64_t* value);
  void FailUnsupported(std::string_view name, std::string_view instead);

  const boost::json::object& object_;
  const std::string path_;
  absl::Status status_;
};

// Reads `value` as an integer: 7, and also 7.0, as some clients send it. False if it is none.
bool AsInteger(const boost::json::value& value, int64_t* out);

// "a string", "an array" ... for error messages.
std::string_view KindOf(const boost::json::value& value);

}  // namespace waferline::openai
