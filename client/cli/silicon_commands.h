// waferctl wafer yield: what becomes of many wafers drawn from a seed.
#pragma once

#include <vector>

#include "client/cli/command.h"

namespace waferline::cli {

std::vector<Command> SiliconCommands();

}  // namespace waferline::cli
