#include "client/cli/sim/sim_commands.h"

namespace waferline::cli {

std::vector<Command> SimCommands() {
  return {SimCommand(), SimSweepCommand(), SimCompareCommand(), LawsCommand()};
}

}  // namespace waferline::cli
