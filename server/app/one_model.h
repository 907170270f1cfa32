// The configuration of a server that serves one model file, for `waferd MODEL`: the value that a
// YAML file with one entry under `models:` would give. Reads the file's header only.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "server/config/server_config.h"
#include "wafer_backend/base/units.h"

namespace waferline::app {

struct OneModelOptions {
  std::string file;
  std::string name;   // "": general.name of the file as an id, or else the file's name
  std::string shape;  // "": timed as what it is
  std::string hardware = "wse-3";
  std::string profile;  // "": vendor-2024 on a wafer
  std::string prefill = "h100";
  int shards = 0;       // 0: two, if there are as many layers
  int64_t context = 0;  // 0: as much as the file allows and memory can hold
  std::string chat_template;
  std::string tool_format;
  Bytes memory;  // that weights and KV may take
};

struct OneModel {
  config::ServerConfig config;
  std::string remark;  // what was chosen and why, in one line
};

// Errors name the file and what is wrong with it, or the option. ResourceExhausted, with the
// arithmetic, if the weights or the KV of `context` positions do not fit into `memory`.
absl::StatusOr<OneModel> ConfigureOneModel(const OneModelOptions& options);

// "smollm2-135m" from "SmolLM2 135M": small letters, digits, '.', '_' and single '-'.
std::string IdOf(std::string_view text);

}  // namespace waferline::app
