#include "client/cli/sim/sim_commands.h"

namespace waferline::cli {

Group SimGroup() {
  return {.name = "sim",
          .summary = "Simulate hours of a fleet in seconds, offline",
          .commands = {SimCommand(), SimSweepCommand(), SimMergeCommand(), SimTiersCommand(),
                       SimSearchCommand(), SimCompareCommand()}};
}

Group SelftestGroup() {
  return {.name = "selftest",
          .summary = "Check the scheduler against theory, and whole clouds under faults",
          .commands = {LawsCommand(), CloudCommand()}};
}

}  // namespace waferline::cli
