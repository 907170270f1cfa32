#include "wafer_backend/base/yaml_form.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/number_text.h"
#include "wafer_backend/base/yaml_documents.h"

namespace waferline {
namespace {

constexpr size_t kMaxYamlBytes = 1 << 20;

// Decimal notation in full: "12abc", "", "nan" and "1e999" are not numbers.
bool ParseNumber(const std::string& text, double* out) {
  if (text.empty()) return false;
  char* end = nullptr;
  *out = std::strtod(text.c_str(), &end);
  return *end == '\0' && std::isfinite(*out);
}

std::string NotANumber(const YAML::Node& node, Range range) {
  const std::string is = node.IsScalar() ? absl::StrCat("is \"", node.Scalar(), "\", ") : "";
  const std::string within =
      absl::StrCat(" in [", NumberText(range.min), ", ", NumberText(range.max), "]");
  return is + "must be a finite number" + (range.min == Range().min ? "" : within);
}

}  // namespace

YamlFile::YamlFile(std::string name, std::string_view text)
    : name_(std::move(name)), root_(std::make_shared<YAML::Node>()) {
  if (text.size() > kMaxYamlBytes) {
    errors_.emplace_back(1, absl::StrCat(name_, ": larger than ", kMaxYamlBytes, " bytes"));
    return;
  }
  try {
    const std::string copy(text);
    root_->reset(YAML::Load(copy));
    if (const std::optional<int> line = SecondDocument(copy)) {
      errors_.emplace_back(*line, absl::StrCat(name_, ":", *line,
                                               ": a second document begins here; "
                                               "a file holds one"));
      return;
    }
  } catch (const YAML::Exception& e) {
    const int line = e.mark.line + 1;
    errors_.emplace_back(line, absl::StrCat(name_, ":", line, ": not YAML: ", e.msg));
    return;
  }
  if (root_->IsMap()) return;
  const char* const is = text.empty() ? "is empty, " : root_->IsNull() ? "holds no values, " : "";
  errors_.emplace_back(1, absl::StrCat(name_, ":1: ", is, "must be a mapping"));
}

YamlForm YamlFile::root() { return YamlForm(this, *root_, ""); }

void YamlFile::AddError(const YAML::Node& at, const std::string& field, std::string_view message) {
  const int line = at.IsDefined() ? std::max(0, at.Mark().line) + 1 : 1;
  errors_.emplace_back(line, absl::StrCat(name_, ":", line, ": ", field, field.empty() ? "" : ": ",
                                          std::string(message)));
}

absl::Status YamlFile::status() const {
  if (errors_.empty()) return absl::OkStatus();
  auto sorted = errors_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  return absl::InvalidArgumentError(absl::StrJoin(
      sorted, "\n", [](std::string* out, const auto& error) { out->append(error.second); }));
}

YamlForm::YamlForm(YamlFile* file, const YAML::Node& map, std::string prefix)
    : file_(file), map_(std::make_shared<YAML::Node>(map)), prefix_(std::move(prefix)) {}

FieldFacts& YamlFile::Recorded(const std::string& path) {
  const auto [it, added] = field_index_.try_emplace(path, fields_.size());
  if (added) fields_.push_back({.path = path});
  return fields_[it->second];
}

FieldFacts& YamlForm::Record(const std::string& field, std::string_view type) {
  FieldFacts& facts = file_->Recorded(prefix_ + field);
  if (facts.type.empty()) facts.type = type;
  if (facts.about.empty()) facts.about = std::exchange(about_, {});
  const YAML::Node& map = *map_;
  if (!map.IsMap() || !map[field].IsDefined()) return facts;
  const YAML::Node node = map[field];
  facts.line = std::max(0, node.Mark().line) + 1;
  if (node.IsScalar()) facts.value = node.Scalar();
  return facts;
}

YamlForm& YamlForm::About(std::string_view text) {
  about_ = text;
  return *this;
}

void YamlForm::Otherwise(const std::string& field, std::string text, std::string_view type) {
  FieldFacts& facts = Record(field, type);
  facts.required = false;
  if (facts.otherwise.empty()) facts.otherwise = std::move(text);
}

void YamlForm::Allowed(const std::string& field, std::string text) {
  Record(field, "").allowed = std::move(text);
}

bool YamlForm::Has(const std::string& field) {
  known_.insert(field);
  if (!file_->field_index_.contains(prefix_ + field)) Record(field, "").required = false;
  const YAML::Node& map = *map_;  // operator[] of a non-const node would create the field
  return map.IsMap() && map[field].IsDefined();
}

YAML::Node YamlForm::Find(const std::string& field, bool required) {
  known_.insert(field);
  const YAML::Node& map = *map_;  // operator[] of a non-const node would create the field
  if (map.IsMap() && map[field].IsDefined()) return map[field];
  if (required && map_->IsMap()) file_->AddError(*map_, prefix_ + field, "is missing");
  return YAML::Node(YAML::NodeType::Undefined);
}

bool YamlForm::ReadNumber(const YAML::Node& node, const std::string& field, Range range,
                          double* out) {
  *out = std::clamp(1.0, range.min, range.max);
  if (!node.IsDefined()) return false;
  double value = 0;
  if (!node.IsScalar() || !ParseNumber(node.Scalar(), &value)) {
    file_->AddError(node, prefix_ + field, NotANumber(node, range));
    return false;
  }
  if (value < range.min || value > range.max) {
    file_->AddError(node, prefix_ + field, OutOfRangeText(value, range.min, range.max));
    return false;
  }
  *out = value;
  return true;
}

void YamlForm::ReadSource(YamlForm& fact, Mark* mark, std::string* source) {
  const std::string letter = fact.Text("mark");
  if (letter == "P" || letter == "S" || letter == "D" || letter == "?") {
    *mark = static_cast<Mark>(letter[0]);
  } else if (fact.Has("mark")) {
    fact.AddError("mark", "must be P (published), S (secondary), D (derived) or \"?\" (unknown)");
  }
  *source = fact.Text("source");
}

Fact YamlForm::Whole(const std::string& field, Range range) {
  const Fact fact = Number(field, range);
  if (fact.value != std::floor(fact.value)) {
    AddError(field, absl::StrCat("is ", NumberText(fact.value), ", must be a whole number"));
  }
  return fact;
}

Fact YamlForm::Number(const std::string& field, Range range) {
  Fact fact;
  YamlForm form = Map(field);
  const bool good = ReadNumber(form.Find("value", true), field + ".value", range, &fact.value);
  fact.low = fact.high = fact.value;
  if (form.Has("low") || form.Has("high")) {
    const bool low = ReadNumber(form.Find("low", true), field + ".low", range, &fact.low);
    const bool high = ReadNumber(form.Find("high", true), field + ".high", range, &fact.high);
    if (good && low && high && !(fact.low <= fact.value && fact.value <= fact.high)) {
      form.AddError("value", absl::StrCat("is ", fact.value, ", outside its own range [", fact.low,
                                          ", ", fact.high, "]"));
    }
    if (!low || !high) fact.low = fact.high = fact.value;
  }
  ReadSource(form, &fact.mark, &fact.source);
  form.RefuseOthers();
  return fact;
}

TextFact YamlForm::Choice(const std::string& field, const std::vector<std::string>& allowed) {
  TextFact fact;
  YamlForm form = Map(field);
  fact.value = form.Text("value");
  if (form.Has("value") && std::find(allowed.begin(), allowed.end(), fact.value) == allowed.end()) {
    form.AddError("value", absl::StrCat("is \"", fact.value,
                                        "\", must be one of: ", absl::StrJoin(allowed, ", ")));
  }
  ReadSource(form, &fact.mark, &fact.source);
  form.RefuseOthers();
  return fact;
}

std::string YamlForm::Text(const std::string& field) {
  Record(field, "text");
  const YAML::Node node = Find(field, true);
  if (!node.IsDefined()) return "";
  if (!node.IsScalar() || node.Scalar().empty()) {
    file_->AddError(node, prefix_ + field, node.IsScalar() ? "must not be empty" : "must be text");
    return "";
  }
  return node.Scalar();
}

bool YamlForm::Flag(const std::string& field, bool otherwise) {
  Record(field, "true or false");
  Otherwise(field, otherwise ? "true" : "false");
  const YAML::Node node = Find(field, false);
  if (!node.IsDefined()) return otherwise;
  const std::string text = node.IsScalar() ? node.Scalar() : "";
  if (text != "true" && text != "false") {
    file_->AddError(node, prefix_ + field, "must be true or false");
  }
  return text == "true";
}

double YamlForm::Plain(const std::string& field, Range range) {
  Record(field, "number").allowed =
      absl::StrCat("[", NumberText(range.min), ", ", NumberText(range.max), "]");
  double value = 0;
  ReadNumber(Find(field, true), field, range, &value);
  return value;
}

int64_t YamlForm::Integer(const std::string& field, int64_t min, int64_t max) {
  Record(field, "whole number").allowed = absl::StrCat("[", min, ", ", max, "]");
  const YAML::Node node = Find(field, true);
  double value = 0;
  const Range range{static_cast<double>(min), static_cast<double>(max)};
  if (ReadNumber(node, field, range, &value) && value != std::floor(value)) {
    file_->AddError(node, prefix_ + field, "must be a whole number");
  }
  return static_cast<int64_t>(value);
}

int64_t YamlForm::IntegerOr(const std::string& field, int64_t otherwise, int64_t min, int64_t max) {
  Otherwise(field, absl::StrCat(otherwise));
  Record(field, "whole number").allowed = absl::StrCat("[", min, ", ", max, "]");
  return Find(field, false).IsDefined() ? Integer(field, min, max) : otherwise;
}

YamlForm YamlForm::OptionalMap(const std::string& field) {
  if (Has(field)) return Map(field);
  Record(field, "mapping");
  return YamlForm(file_, YAML::Node(YAML::NodeType::Undefined), prefix_ + field + ".");
}

YamlForm YamlForm::Map(const std::string& field) {
  Record(field, "mapping");
  YAML::Node node = Find(field, true);
  if (node.IsDefined() && !node.IsMap()) {
    file_->AddError(node, prefix_ + field, "must be a mapping, {name: value, ...}");
    node.reset(YAML::Node(YAML::NodeType::Undefined));
  }
  return YamlForm(file_, node, prefix_ + field + ".");
}

void YamlForm::AddError(const std::string& field, std::string_view message) {
  const YAML::Node& map = *map_;
  const bool given = map.IsMap() && map[field].IsDefined();
  known_.insert(field);
  file_->AddError(given ? map[field] : map, prefix_ + field, message);
}

void YamlForm::RefuseOthers() {
  if (!map_->IsMap()) return;
  std::set<std::string> seen;
  const std::vector<std::string_view> known(known_.begin(), known_.end());
  for (const auto& entry : *map_) {
    const std::string name = entry.first.IsScalar() ? entry.first.Scalar() : "(not a name)";
    if (!known_.contains(name)) {
      file_->AddError(entry.first, prefix_ + name,
                      absl::StrCat("is not known here; known: ", absl::StrJoin(known_, ", "),
                                   DidYouMean(name, known)));
    } else if (!seen.insert(name).second) {
      file_->AddError(entry.first, prefix_ + name, "is given twice");
    }
  }
}

}  // namespace waferline
