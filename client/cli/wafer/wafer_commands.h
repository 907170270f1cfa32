// `waferctl wafer ...`: the hardware models from the command line.
#pragma once

#include <vector>

#include "client/cli/frame/command.h"

namespace waferline::cli {

std::vector<Command> WaferCommands();

// One function a subcommand, each in a file of its name.
Command PredictCommand();
Command PredictKernelCommand();
Command CalibrateCommand();
Command FabricCommand();

// --hardware and --profile, as several subcommands take them.
Flag HardwareFlag();
Flag ProfileFlag();

}  // namespace waferline::cli
