// The offline commands: sim, sim sweep, sim compare, selftest laws.
#pragma once

#include <vector>

#include "client/cli/frame/command.h"

namespace waferline::cli {

std::vector<Command> SimCommands();

Command SimCommand();
Command SimSweepCommand();
Command SimCompareCommand();
Command LawsCommand();

}  // namespace waferline::cli
