// The configuration that a command line of waferd means: its file with --set, WAFERLINE_SET_... and
// the flags of ports applied, and what --check-config, --print-config and --explain say of it.
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
  config::PortFlags ports;
};

// Of --set PATH=VALUE, and of an environment as main() has it; --set comes last. InvalidArgument: a
// --set without "=", or a field twice in one of the two.
absl::StatusOr<ConfigOverrides> ReadOverrides(const std::vector<std::string>& sets,
                                              const char* const* environment);

// A file without faults, with the overrides. InvalidArgument: every fault of its fields, with the
// file's line and the field, or with the override that it comes from.
absl::StatusOr<config::ReadServerConfig> LoadConfig(const std::string& file,
                                                    const ConfigOverrides& overrides);

// What a field of the file is; "all": the reference of all; "schema": their JSON schema. NotFound:
// did you mean ...?
absl::StatusOr<std::string> Explained(const std::string& field);
// Reads and checks (check_config.h); "FILE: ok, ..." on success. `store`: what --state-dir says of
// the usage database; "" without.
absl::StatusOr<std::string> CheckedConfig(const std::string& file, const ConfigOverrides& overrides,
                                          const std::string& store);
// Every field with its value and where that came from.
absl::StatusOr<std::string> PrintedConfig(const std::string& file,
                                          const ConfigOverrides& overrides);

}  // namespace waferline::app
