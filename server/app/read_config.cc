#include "server/app/read_config.h"

#include "absl/strings/str_cat.h"
#include "server/app/check_config.h"
#include "server/config/config_fields.h"
#include "server/config/config_schema.h"
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
  std::vector<Override> variables = config::OverridesOf(environment);
  const absl::Status once = CheckOverrides(variables);
  if (!once.ok())
    return absl::InvalidArgumentError(absl::StrCat("WAFERLINE_SET_: ", once.message()));
  for (Override& field : variables) add(std::move(field), "environment");
  auto fields = ParseOverrides(sets);
  if (!fields.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--set: ", fields.status().message()));
  }
  for (Override& field : *fields) add(std::move(field), "--set");
  return out;
}

namespace {

// The file with the overrides, and its faults.
absl::StatusOr<config::ReadServerConfig> ReadWith(const std::string& file,
                                                  const ConfigOverrides& overrides) {
  WL_ASSIGN_OR_RETURN(std::string text, ReadFile(file));
  if (!overrides.fields.empty()) {
    auto replaced = WithOverrides(text, overrides.fields);
    if (!replaced.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(file, ": ", replaced.status().message()));
    }
    text = *std::move(replaced);
  }
  return config::ReadServerConfigText(file, text);
}

// Lines are the file's only without overrides.
absl::Status Faults(const absl::Status& status, const ConfigOverrides& overrides) {
  return status.ok() || overrides.fields.empty() ? status : WithoutLines(status);
}

}  // namespace

absl::StatusOr<config::ReadServerConfig> LoadConfig(const std::string& file,
                                                    const ConfigOverrides& overrides) {
  WL_ASSIGN_OR_RETURN(config::ReadServerConfig read, ReadWith(file, overrides));
  WL_RETURN_IF_ERROR(Faults(read.faults, overrides));
  return read;
}

absl::StatusOr<std::string> Explained(const std::string& field) {
  if (field == "all") return config::ReferenceText();
  if (field == "schema") return config::ConfigSchema();
  return config::Explain(field);
}

absl::StatusOr<std::string> CheckedConfig(const std::string& file, const ConfigOverrides& overrides,
                                          const std::string& store) {
  WL_ASSIGN_OR_RETURN(config::ReadServerConfig read, ReadWith(file, overrides));
  if (read.config.billing.store.empty()) read.config.billing.store = store;
  WL_RETURN_IF_ERROR(Faults(CheckConfig(file, read), overrides));
  std::string text = file + ": ok, serves";
  for (const config::ModelConfig& model : read.config.models) {
    absl::StrAppend(&text, &model == &read.config.models.front() ? " " : ", ", model.lane.model);
  }
  return text + "\n";
}

absl::StatusOr<std::string> PrintedConfig(const std::string& file,
                                          const ConfigOverrides& overrides) {
  WL_ASSIGN_OR_RETURN(const config::ReadServerConfig read, LoadConfig(file, overrides));
  return config::PrintedFields(file, read.fields, overrides.from);
}

}  // namespace waferline::app
