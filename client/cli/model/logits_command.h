// waferctl model logits: what a model file answers to a row of tokens, in numbers that can be laid
// beside another engine's. Computed here, no server is asked.
#pragma once

#include <vector>

#include "client/cli/frame/command.h"

namespace waferline::cli {

std::vector<Command> LogitsCommands();

}  // namespace waferline::cli
