// Reads the fields of one JSON object, and remembers the first thing that is wrong: after an error
// every call does nothing, so a reader goes straight through and looks at status() once. An absent
// field and null leave the target as it is. Errors name the field by its path, say what it is and
// what is allowed, and carry the path (field_error.h). A value; the object must outlive it.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace waferline {

class JsonFields {
 public:
  // `path` is what names of fields are prefixed with in errors ("messages[2]."), "" at the top.
  explicit JsonFields(const boost::json::object& object, std::string path = "")
      : object_(object), path_(std::move(path)), read_(object.size()) {}

  const absl::Status& status() const { return status_; }
  bool ok() const { return status_.ok(); }

  // The field's value; null if it is absent or null.
  const boost::json::value* Find(std::string_view name) const;
  bool Has(std::string_view name) const { return Find(name) != nullptr; }
  // The names of the fields that Find was never asked for, by any of the functions here.
  std::vector<std::string_view> Unread() const;

  // An error for the first of these that is absent.
  void Require(std::initializer_list<std::string_view> names);
  // An error for the first field that is none of these.
  void RefuseOthers(std::initializer_list<std::string_view> known);

  void Bool(std::string_view name, bool* target);
  // `lo` and `hi` are the smallest and largest value allowed.
  template <typename Integer>
  void Int(std::string_view name, int64_t lo, int64_t hi, Integer* target) {
    int64_t value = 0;
    if (ReadInt(name, lo, hi, &value)) *target = static_cast<Integer>(value);
  }
  template <typename Real>
  void Number(std::string_view name, double lo, double hi, Real* target) {
    double value = 0;
    if (ReadNumber(name, lo, hi, &value)) *target = static_cast<Real>(value);
  }
  void Text(std::string_view name, size_t max_bytes, std::string* target);
  // Null if the field is absent; an object or array of the wrong kind is an error.
  const boost::json::object* Object(std::string_view name);
  const boost::json::array* Array(std::string_view name, size_t max_items);

  // An error at `name` ("" for the object itself), unless there was one before.
  void Fail(std::string_view name, std::string_view message);
  void Fail(absl::Status status);

  std::string PathOf(std::string_view name) const;

 private:
  bool ReadInt(std::string_view name, int64_t lo, int64_t hi, int64_t* value);
  bool ReadNumber(std::string_view name, double lo, double hi, double* value);

  const boost::json::object& object_;
  const std::string path_;
  absl::Status status_;
  mutable std::vector<bool> read_;  // by place in the object
};

// Reads `value` as an integer: 7, and also 7.0, as some clients send it. False if it is none.
bool AsInteger(const boost::json::value& value, int64_t* out);

// "a string", "an array" ... for error messages.
std::string_view KindOf(const boost::json::value& value);

}  // namespace waferline
