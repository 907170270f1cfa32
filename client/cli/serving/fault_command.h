// waferctl faults send: changes the emulated hardware of a running waferd.
#pragma once

#include <vector>

#include "client/cli/frame/command.h"

namespace waferline::cli {

std::vector<Command> FaultCommands();

}  // namespace waferline::cli
