// `kv_transfer` of a server's configuration: prompts that one server computes and another decodes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "wafer_backend/base/yaml_form.h"

namespace waferline::config {

enum class KvRole : uint8_t { kBoth, kPrefill, kDecode };

struct KvTransferConfig {
  std::string key;  // "": takes part in nothing
  KvRole role = KvRole::kBoth;
  int64_t keep_seconds = 60;
  std::string taken_file;  // "": none
};

// The mapping at `kv_transfer`, if it is there. A relative path starts at `folder`.
KvTransferConfig ReadKvTransfer(YamlForm& root, const std::filesystem::path& folder);

}  // namespace waferline::config
