// The configuration that a command line of waferd means: its file with --set and WAFERLINE_SET_...
// applied, and what --check-config, --print-config and --explain say of it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/config/server_config.h"
#include "wafer_backend/base/yaml_overrides.h"

namespace waferline::app {

// What replaces fields of the file, and who says so: {"listen.http_port", "8081"}, "--set".
struct ConfigOverrides {
  std::vector<Override> fields;
  std::vector<std::pair<std::string, std::string>> from;  // path, "--set"
};

// Of --set PATH=VALUE, and of an environment as main() has it; --set comes last. InvalidArgument: a
// --set without "=".
absl::StatusOr<ConfigOverrides> ReadOverrides(const std::vector<std::string>& sets,
                                              const char* const* environment);

struct ReadConfig {
  config::ServerConfig config;
  std::vector<FieldFacts> fields;
};
// InvalidArgument: every fault of the file's fields, with line and field (of the file as it is with
// the overrides, if there are any).
absl::StatusOr<ReadConfig> LoadConfig(const std::string& file, const ConfigOverrides& overrides);

// Reads and checks (check_config.h); "FILE: ok, ..." on success.
absl::StatusOr<std::string> CheckedConfig(const std::string& file,
                                          const ConfigOverrides& overrides);
// Every field with its value and where that came from.
absl::StatusOr<std::string> PrintedConfig(const std::string& file,
                                          const ConfigOverrides& overrides);

}  // namespace waferline::app
