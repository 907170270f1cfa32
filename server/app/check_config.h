// waferd --check-config: everything that would keep a configuration from being served, at once and
// before anything is loaded: the fields, the files that they name, whether the hardware fits the
// model.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "server/config/server_config.h"

namespace waferline::app {

// OK, or InvalidArgument: a line "file:line: models[0].prefill.hardware: what is wrong" for each
// fault, those of `read` first. Where a field is faulty, nothing more is said of it; whether the
// model fits its hardware is asked of a file without such faults.
absl::Status CheckConfig(const std::string& file, const config::ReadServerConfig& read);

}  // namespace waferline::app
