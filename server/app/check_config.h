// waferd --check-config: everything that would keep a configuration from being served, at once and
// before anything is loaded: the fields, the files that they name, whether the hardware fits the
// model.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "server/config/server_config.h"

namespace waferline::app {

// OK, or InvalidArgument: a line "file:line: models[0].prefill.hardware: what is wrong" for each
// fault. `fields` are those of `config` (config::ParseServerConfig).
absl::Status CheckConfig(const std::string& file, const config::ServerConfig& config,
                         const std::vector<FieldFacts>& fields);

}  // namespace waferline::app
