#include "client/cli/serving/serving_commands.h"

namespace waferline::cli {

Group ClientGroup() {
  return {.name = "client",
          .summary = "Use the models of a running server",
          .commands = {ChatCommand(), CompleteCommand(), ModelsCommand()}};
}

Group BenchGroup() {
  return {.name = "bench",
          .summary = "Load a running server and measure it",
          .commands = {BenchRunCommand(), BenchSweepCommand(), BenchReplayCommand()}};
}

Group OperatorGroup() {
  return {.name = "operator",
          .summary = "Watch and operate a running waferd",
          .commands = {TopCommand(), StatusCommand(), RequestsCommand(), AbortCommand(),
                       DrainCommand(), ResumeCommand()}};
}

Group FaultsGroup() {
  return {.name = "faults",
          .summary = "Change the emulated hardware of a running waferd",
          .commands = {FaultsSendCommand()}};
}

}  // namespace waferline::cli
