#include "client/cli/wafer/wafer_commands.h"

namespace waferline::cli {

Group WaferGroup() {
  return {.name = "wafer",
          .summary = "Model wafer-scale hardware: speed, placement, defects and faults",
          .commands = {PredictCommand(), PlaceCommand(), SplitCommand(), LatencyCommand(),
                       TornadoCommand(), FaultsCommand(), MapCommand(), YieldCommand(),
                       PredictKernelCommand(), FabricCommand(), CalibrateCommand(),
                       CalibrateServingCommand()}};
}

}  // namespace waferline::cli
