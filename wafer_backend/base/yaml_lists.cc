// The lists of a YamlForm.
#include <yaml-cpp/yaml.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/yaml_form.h"

namespace waferline {

YAML::Node YamlForm::FindList(const std::string& field) {
  const YAML::Node node = Find(field, true);
  if (!node.IsDefined() || node.IsSequence()) return node;
  file_->AddError(node, prefix_ + field, "must be a list");
  return YAML::Node(YAML::NodeType::Undefined);
}

std::vector<YamlForm> YamlForm::List(const std::string& field) {
  std::vector<YamlForm> forms;
  Record(field, "list of mappings");
  const YAML::Node node = FindList(field);
  for (size_t i = 0; i < node.size(); ++i) {
    const std::string path = absl::StrCat(prefix_, field, "[", i, "]");
    if (!node[i].IsMap()) file_->AddError(node[i], path, "must be a mapping");
    forms.push_back(YamlForm(file_, node[i], path + "."));
  }
  return forms;
}

std::vector<int64_t> YamlForm::Integers(const std::string& field, int64_t min, int64_t max) {
  std::vector<int64_t> values;
  Record(field, "list of whole numbers").allowed = absl::StrCat("[", min, ", ", max, "]");
  const YAML::Node node = FindList(field);
  const Range range{static_cast<double>(min), static_cast<double>(max)};
  for (size_t i = 0; i < node.size(); ++i) {
    const std::string path = absl::StrCat(field, "[", i, "]");
    double value = 0;
    if (ReadNumber(node[i], path, range, &value) && value != std::floor(value)) {
      file_->AddError(node[i], prefix_ + path, "must be a whole number");
    }
    values.push_back(static_cast<int64_t>(value));
  }
  return values;
}

}  // namespace waferline
