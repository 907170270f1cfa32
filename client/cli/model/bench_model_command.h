// waferctl model bench: how fast this machine computes a model file, bare: no server, no timing
// plane, only the layers, the KV pages and the output matrix that shards and the prefill pool use.
#pragma once

#include <vector>

#include "client/cli/frame/command.h"

namespace waferline::cli {

std::vector<Command> BenchModelCommands();

}  // namespace waferline::cli
