// waferctl model inspect and model tokenize: what a model file holds, and how it cuts a text. Both
// work on the file alone, no server is asked.
#pragma once

#include <vector>

#include "client/cli/frame/command.h"

namespace waferline::cli {

std::vector<Command> ModelCommands();

}  // namespace waferline::cli
