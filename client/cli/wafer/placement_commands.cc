#include "client/cli/wafer/placement_commands.h"

namespace waferline::cli {

std::vector<Command> PlacementCommands() {
  return {PlaceCommand(), FaultsCommand(), TornadoCommand(), LatencyCommand()};
}

}  // namespace waferline::cli
