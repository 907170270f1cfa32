// `waferctl wafer ...`: the hardware models from the command line.
#pragma once

#include "wafer_backend/base/command_line/command.h"

namespace waferline::cli {

Group WaferGroup();

// One function a command, each in a file of its name.
Command PredictCommand();
Command PredictKernelCommand();
Command CalibrateCommand();
Command CalibrateServingCommand();
Command FabricCommand();
Command PlaceCommand();
Command SplitCommand();
Command FaultsCommand();
Command TornadoCommand();
Command LatencyCommand();
Command YieldCommand();
Command MapCommand();

}  // namespace waferline::cli
