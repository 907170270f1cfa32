#include "server/app/read_config.h"

#include "absl/strings/str_cat.h"
#include "server/app/check_config.h"
#include "server/config/config_fields.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/yaml_overrides.h"

namespace waferline::app {

absl::StatusOr<ConfigOverrides> ReadOverrides(const std::vector<std::string>& sets,
                                              const char* const* environment) {
  ConfigOverrides out;
  const auto add = [&out](Override field, const char* who) {
    out.from.emplace_back(field.first, who);
    out.fields.push_back(std::move(field));
  };
  for (Override& field : config::OverridesOf(environment)) {
    add(std::move(field), "environment");
  }
  for (const std::string& set : sets) {
    const size_t equals = set.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", set, "' is not PATH=VALUE, as models.0.context=8192"));
    }
    add({set.substr(0, equals), set.substr(equals + 1)}, "--set");
  }
  return out;
}

absl::StatusOr<ReadConfig> LoadConfig(const std::string& file, const ConfigOverrides& overrides) {
  WL_ASSIGN_OR_RETURN(std::string text, ReadFile(file));
  if (!overrides.fields.empty()) {
    auto replaced = WithOverrides(text, overrides.fields);
    if (!replaced.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(file, ": ", replaced.status().message()));
    }
    text = *std::move(replaced);
  }
  ReadConfig out;
  auto config = config::ParseServerConfig(file, text, &out.fields);
  if (!config.ok()) {
    return overrides.fields.empty() ? config.status() : WithoutLines(config.status());
  }
  out.config = *std::move(config);
  return out;
}

absl::StatusOr<std::string> CheckedConfig(const std::string& file,
                                          const ConfigOverrides& overrides) {
  WL_ASSIGN_OR_RETURN(const ReadConfig read, LoadConfig(file, overrides));
  const absl::Status checked = CheckConfig(file, read.config, read.fields);
  if (!checked.ok()) return overrides.fields.empty() ? checked : WithoutLines(checked);
  std::string text = file + ": ok, serves";
  for (const config::ModelConfig& model : read.config.models) {
    absl::StrAppend(&text, &model == &read.config.models.front() ? " " : ", ", model.lane.model);
  }
  return text + "\n";
}

absl::StatusOr<std::string> PrintedConfig(const std::string& file,
                                          const ConfigOverrides& overrides) {
  WL_ASSIGN_OR_RETURN(const ReadConfig read, LoadConfig(file, overrides));
  return config::PrintedFields(file, read.fields, overrides.from);
}

}  // namespace waferline::app
