// waferctl wafer place, faults, tornado and latency: models laid on wafers, what breaks there, and
// the pictures of a prediction.
#pragma once

#include <vector>

#include "client/cli/frame/command.h"

namespace waferline::cli {

std::vector<Command> PlacementCommands();

// One function a subcommand, each in a file of its name.
Command PlaceCommand();
Command FaultsCommand();
Command TornadoCommand();
Command LatencyCommand();

}  // namespace waferline::cli
