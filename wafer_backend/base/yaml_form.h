// Strict reading of the small YAML files under deploy/: every field must be known, present and in
// range, and all faults of a file come out at once, each with its line and field.
//
// A YamlForm is a view of one mapping of a YamlFile, which must outlive it. Thread: one at a time.
// Reading never fails half-way: a faulty field yields a value inside its range and adds an error,
// so the reader goes on and the file's status() is looked at once, at the end.
#pragma once

#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wafer_backend/base/fact.h"

namespace YAML {
class Node;  // of yaml-cpp, which only yaml_form.cc needs
}

namespace waferline {

// Values from `min` to `max`, both allowed.
struct Range {
  double min = -std::numeric_limits<double>::max();
  double max = std::numeric_limits<double>::max();
};
// For physical quantities: positive, and small enough that products of a few do not overflow.
inline constexpr Range kPositive{1e-30, 1e30};

// What a reader asked of one field. There is no other list of the fields: references, explanations
// and printed configurations are made from what the readers asked.
struct FieldFacts {
  std::string path;       // "models[0].prefill.workers"
  std::string type;       // "whole number", "text"
  std::string otherwise;  // the default; "": none
  bool required = true;
  std::string allowed;  // "[1, 1024]", "real, stepped"; "": anything of its type
  std::string about;    // what it does
  std::string value;    // as the file gives it; "": it does not, or it is a mapping or list
  int line = 0;         // 0: the file does not give it
};

class YamlForm;

class YamlFile {
 public:
  // `name` goes before every error. Files above 1 MiB, and with more than one document, are
  // refused.
  YamlFile(std::string name, std::string_view text);

  YamlForm root();
  // OK, or InvalidArgument with one line "name:line: field: what is wrong" per fault, by line.
  absl::Status status() const;
  // Every field that was asked for until now, in the order of asking.
  const std::vector<FieldFacts>& fields() const { return fields_; }

 private:
  friend class YamlForm;
  void AddError(const YAML::Node& at, const std::string& field, std::string_view message);

  std::string name_;
  std::shared_ptr<YAML::Node> root_;
  // Asking for a field again adds what was not known of it.
  FieldFacts& Recorded(const std::string& path);

  std::vector<std::pair<int, std::string>> errors_;
  std::vector<FieldFacts> fields_;
  std::map<std::string, size_t> field_index_;
};

class YamlForm {
 public:
  // A field that is asked for is known, here or not. One that is first asked for by Has may be
  // absent.
  bool Has(const std::string& field);

  // Describes the next field that is asked for, for references.
  YamlForm& About(std::string_view text);
  // What a field is if it is absent, and which values it may have, where the reader says so itself.
  void Otherwise(const std::string& field, std::string text, std::string_view type = "");
  void Allowed(const std::string& field, std::string text);

  // {value: 1.1e9, low: 0.85e9, high: 1.1e9, mark: P, source: "..."}; low and high go together and
  // may be left out.
  Fact Number(const std::string& field, Range range = kPositive);
  Fact Whole(const std::string& field, Range range);  // its value is a whole number
  TextFact Choice(const std::string& field, const std::vector<std::string>& allowed);
  // Fields that are not facts: names, shapes, fitted constants.
  std::string Text(const std::string& field);
  bool Flag(const std::string& field, bool otherwise);
  double Plain(const std::string& field, Range range);
  int64_t Integer(const std::string& field, int64_t min, int64_t max);
  int64_t IntegerOr(const std::string& field, int64_t otherwise, int64_t min, int64_t max);
  // An empty form (and an error) if the field is not a mapping.
  YamlForm Map(const std::string& field);
  // The same without an error if it is absent: its fields are read as absent, too.
  YamlForm OptionalMap(const std::string& field);
  std::vector<YamlForm> List(const std::string& field);
  std::vector<int64_t> Integers(const std::string& field, int64_t min, int64_t max);

  void AddError(const std::string& field, std::string_view message);
  // To be called when everything was read: each field that was not asked for is an error.
  void RefuseOthers();

 private:
  friend class YamlFile;
  YamlForm(YamlFile* file, const YAML::Node& map, std::string prefix);
  // The field's node, marked as known; undefined (with an error if `required`) if it is not there.
  YAML::Node Find(const std::string& field, bool required);
  YAML::Node FindList(const std::string& field);  // undefined also if it is not a list
  FieldFacts& Record(const std::string& field, std::string_view type);
  bool ReadNumber(const YAML::Node& node, const std::string& field, Range range, double* out);
  void ReadSource(YamlForm& fact, Mark* mark, std::string* source);

  YamlFile* file_;
  std::shared_ptr<YAML::Node> map_;
  std::string prefix_;  // "timing.gemv." before the names of this mapping's fields
  std::set<std::string> known_;
  std::string about_;  // of the next field
};

}  // namespace waferline
