// `waferctl version`: which build this is.
#pragma once

#include <vector>

#include "client/cli/frame/command.h"

namespace waferline::cli {

std::vector<Command> VersionCommands();

}  // namespace waferline::cli
