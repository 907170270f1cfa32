#include "wafer_backend/base/yaml_overrides.h"

#include <yaml-cpp/yaml.h>

#include <regex>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/yaml_form.h"

namespace waferline {
namespace {

// The field or element that `path` leads to, which may not be there yet.
absl::Status FindNode(const std::string& path, YAML::Node* at) {
  for (size_t begin = 0;;) {
    const size_t dot = path.find('.', begin);
    const std::string step = path.substr(begin, dot == std::string::npos ? dot : dot - begin);
    if (at->IsSequence()) {
      const bool number = !step.empty() && step.size() < 7 &&
                          step.find_first_not_of("0123456789") == std::string::npos;
      if (!number || std::stoul(step) >= at->size()) {
        return absl::InvalidArgumentError(
            absl::StrCat(path, ": index \"", step, "\" out of range [0, ", at->size(), ")"));
      }
      at->reset((*at)[std::stoul(step)]);
    } else if (step.empty() || (at->IsDefined() && !at->IsMap() && !at->IsNull())) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": \"", path.substr(0, begin), "\" has no fields"));
    } else {
      at->reset((*at)[step]);
    }
    if (dot == std::string::npos) return absl::OkStatus();
    begin = dot + 1;
  }
}

}  // namespace

absl::StatusOr<std::string> WithOverrides(std::string_view yaml,
                                          const std::vector<Override>& overrides) {
  try {
    WL_RETURN_IF_ERROR(YamlFile("the configuration", yaml).status());
    YAML::Node root = YAML::Load(std::string(yaml));
    for (const auto& [path, value] : overrides) {
      YAML::Node at;
      at.reset(root);
      WL_RETURN_IF_ERROR(FindNode(path, &at));
      at = YAML::Load(value);
    }
    return YAML::Dump(root);
  } catch (const YAML::Exception& e) {
    return absl::InvalidArgumentError(e.what());
  }
}

absl::Status WithoutLines(const absl::Status& status) {
  static const std::regex kLine("(^|\n)([^:\n]*):[0-9]+: ");
  return {status.code(), std::regex_replace(std::string(status.message()), kLine, "$1$2: ")};
}

}  // namespace waferline
