#include "wafer_backend/base/yaml_overrides.h"

#include <yaml-cpp/yaml.h>

#include <regex>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/yaml_form.h"

namespace waferline {
namespace {

constexpr size_t kMaxPathBytes = 1024;

// The field or element that `path` leads to, which may not be there yet.
absl::Status FindNode(const std::string& path, YAML::Node* at) {
  for (size_t begin = 0;;) {
    const size_t dot = path.find('.', begin);
    const std::string step = path.substr(begin, dot == std::string::npos ? dot : dot - begin);
    if (at->IsSequence()) {
      const bool number = !step.empty() && step.size() < 7 &&
                          step.find_first_not_of("0123456789") == std::string::npos &&
                          (step.size() == 1 || step[0] != '0');  // each has one name
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

absl::StatusOr<std::vector<Override>> ParseOverrides(const std::vector<std::string>& assignments) {
  std::vector<Override> overrides;
  for (const std::string& assignment : assignments) {
    const size_t equals = assignment.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat("\"", assignment, "\" is not FIELD=VALUE"));
    }
    if (equals > kMaxPathBytes) {
      return absl::InvalidArgumentError(absl::StrCat(assignment.substr(0, 40), "... has ", equals,
                                                     " characters; a field's path has up to ",
                                                     kMaxPathBytes));
    }
    overrides.emplace_back(assignment.substr(0, equals), assignment.substr(equals + 1));
  }
  WL_RETURN_IF_ERROR(CheckOverrides(overrides));
  return overrides;
}

absl::Status CheckOverrides(const std::vector<Override>& overrides) {
  for (size_t i = 0; i < overrides.size(); ++i) {
    const std::string& path = overrides[i].first;
    for (size_t k = 0; k < i; ++k) {
      const std::string& before = overrides[k].first;
      if (before == path) return absl::InvalidArgumentError(path + " is given twice");
      if (before.starts_with(path + ".")) {
        return absl::InvalidArgumentError(
            absl::StrCat(path, " replaces ", before, ", which was given before it"));
      }
    }
  }
  return absl::OkStatus();
}

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
