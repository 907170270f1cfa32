// `waferctl complete` and `waferctl models`.
#pragma once

#include <vector>

#include "client/cli/frame/command.h"

namespace waferline::cli {

std::vector<Command> CompleteCommands();

}  // namespace waferline::cli
