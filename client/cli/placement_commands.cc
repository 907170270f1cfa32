#include "client/cli/placement_commands.h"

namespace waferline::cli {

std::vector<Command> PlacementCommands() {
  return {PlaceCommand(), FaultsCommand(), TornadoCommand(), LatencyCommand()};
}

}  // namespace waferline::cli
