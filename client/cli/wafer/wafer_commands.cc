#include "client/cli/wafer/wafer_commands.h"

namespace waferline::cli {

Flag HardwareFlag() {
  return TextFlag("hardware", "NAME|FILE", "a machine of deploy/hardware, or a file like those",
                  "wse-3");
}

Flag ProfileFlag() {
  return TextFlag("profile", "NAME|FILE", "kernel constants of deploy/profiles, or a file", "open");
}

std::vector<Command> WaferCommands() {
  return {PredictCommand(), PredictKernelCommand(), CalibrateCommand(), FabricCommand()};
}

}  // namespace waferline::cli
