// waferctl wafer yield and wafer map: wafers drawn from a seed, many in numbers or one as a
// picture.
#pragma once

#include <vector>

#include "client/cli/frame/command.h"

namespace waferline::cli {

std::vector<Command> SiliconCommands();

}  // namespace waferline::cli
