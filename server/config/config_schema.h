// A server's file as a JSON schema (draft 2020-12), for editors: names, types, ranges and what each
// field does. Made of what the readers ask (config_fields.h). Pure; any thread.
//
// It allows a field wherever its mapping may have it: that one needs another (clock.scale needs
// kind: real) is left to --check-config.
#pragma once

#include <string>

namespace waferline::config {

std::string ConfigSchema();

}  // namespace waferline::config
