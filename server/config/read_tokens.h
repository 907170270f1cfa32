// A model's section `tokens`: where its token values come from. A plain function, any thread;
// faults of the section are added to the form.
#pragma once

#include <filesystem>

#include "server/config/server_config.h"
#include "wafer_backend/base/yaml_form.h"

namespace waferline::config {

// Relative paths start at `folder`. `in_cell`: a registry may say which workers there are.
TokensConfig ReadTokens(YamlForm form, const std::filesystem::path& folder, bool in_cell);

}  // namespace waferline::config
