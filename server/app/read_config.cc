#include "server/app/read_config.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "server/app/check_config.h"
#include "server/app/signals.h"
#include "server/config/config_fields.h"
#include "server/config/config_schema.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/yaml_form.h"
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

// "models[0].context" is "models.0.context" for --set.
std::string Dotted(std::string field) {
  std::erase(field, ']');
  std::replace(field.begin(), field.end(), '[', '.');
  return field;
}

// What a user wrote: "--set models.0.context", "WAFERLINE_SET_MODELS__0__CONTEXT".
std::string Written(const std::pair<std::string, std::string>& from) {
  const auto& [path, who] = from;
  if (who == "--set") return absl::StrCat("--set ", path);
  return absl::StrCat("WAFERLINE_SET_",
                      absl::StrReplaceAll(absl::AsciiStrToUpper(path), {{".", "__"}}));
}

// The file with the overrides, and its faults. They are applied one after the other, so that one
// that cannot be is named.
absl::StatusOr<config::ReadServerConfig> ReadWith(const std::string& file,
                                                  const ConfigOverrides& overrides) {
  WL_ASSIGN_OR_RETURN(std::string text, ReadFile(file, kMaxConfigBytes));
  if (!overrides.fields.empty()) WL_RETURN_IF_ERROR(YamlFile(file, text).status());
  for (size_t i = 0; i < overrides.fields.size(); ++i) {
    auto replaced = WithOverrides(text, {overrides.fields[i]});
    if (!replaced.ok()) {
      std::string message(replaced.status().message());
      const std::string path = overrides.fields[i].first + ": ";
      if (message.starts_with(path)) message.erase(0, path.size());
      return absl::InvalidArgumentError(absl::StrCat(Written(overrides.from[i]), ": ", message));
    }
    text = *std::move(replaced);
  }
  return config::ReadServerConfigText(file, text, overrides.ports);
}

// Of the file as it is without overrides: of the field, or of what it is in; 0: it has neither.
int LineOf(std::string path, const config::ReadServerConfig& plain) {
  for (;; path.erase(path.rfind('.'))) {
    for (const FieldFacts& facts : plain.fields) {
      if (facts.path == path && facts.line > 0) return facts.line;
    }
    if (path.find('.') == std::string::npos) return 0;
  }
}

// "FIELD: what", a fault of the file with overrides: with the override that it comes from, or with
// the file and its own line.
std::string Located(const std::string& fault, const std::string& file,
                    const ConfigOverrides& overrides, const config::ReadServerConfig* plain) {
  const size_t colon = std::min(fault.find(": "), fault.size());
  const std::string field = fault.substr(0, colon), dotted = Dotted(field);
  for (auto from = overrides.from.rbegin(); from != overrides.from.rend(); ++from) {
    if (dotted == from->first) return Written(*from) + fault.substr(colon);
    if (dotted.starts_with(from->first + ".")) return absl::StrCat(Written(*from), ": ", fault);
  }
  const int line = plain == nullptr ? 0 : LineOf(field, *plain);
  return absl::StrCat(file, line > 0 ? absl::StrCat(":", line) : "", ": ", fault);
}

absl::Status Faults(const absl::Status& status, const std::string& file,
                    const ConfigOverrides& overrides) {
  if (status.ok() || overrides.fields.empty()) return status;
  const auto plain = ReadWith(file, {});
  std::vector<std::string> faults;
  for (const absl::string_view each : absl::StrSplit(status.message(), '\n', absl::SkipEmpty())) {
    std::string fault(each);
    // "FILE:LINE: FIELD: what", with a line of the text that the overrides made.
    if (fault.starts_with(file + ":")) {
      fault.erase(0, std::min(fault.size(), fault.find(": ", file.size()) + 2));
      fault = Located(fault, file, overrides, plain.ok() ? &*plain : nullptr);
    }
    faults.push_back(std::move(fault));
  }
  return {status.code(), absl::StrJoin(faults, "\n")};
}

}  // namespace

absl::StatusOr<config::ReadServerConfig> LoadConfig(const std::string& file,
                                                    const ConfigOverrides& overrides) {
  WL_ASSIGN_OR_RETURN(config::ReadServerConfig read, ReadWith(file, overrides));
  WL_RETURN_IF_ERROR(Faults(read.faults, file, overrides));
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
  const EndOnSignal looking;  // large files on a slow disk
  WL_RETURN_IF_ERROR(Faults(CheckConfig(file, read), file, overrides));
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
