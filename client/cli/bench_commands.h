// `waferctl bench run`: load for a server, measured from the client's side.
#pragma once

#include <vector>

#include "client/cli/command.h"

namespace waferline::cli {

std::vector<Command> BenchCommands();

}  // namespace waferline::cli
