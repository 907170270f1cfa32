// Every command of waferctl, one line a group, in the order in which the overview shows them.
#include <span>
#include <string>
#include <vector>

#include "client/cli/bench_commands.h"
#include "client/cli/bench_model_command.h"
#include "client/cli/chat_command.h"
#include "client/cli/command.h"
#include "client/cli/complete_command.h"
#include "client/cli/fault_command.h"
#include "client/cli/logits_command.h"
#include "client/cli/model_commands.h"
#include "client/cli/perplexity_command.h"
#include "client/cli/placement_commands.h"
#include "client/cli/program.h"
#include "client/cli/silicon_commands.h"
#include "client/cli/sim_commands.h"
#include "client/cli/version_command.h"
#include "client/cli/wafer_commands.h"

namespace waferline::cli {
namespace {

std::vector<Command> AllCommands() {
  std::vector<Command> all;
  for (const std::vector<Command>& group : {
           CompleteCommands(),
           ChatCommands(),
           FaultCommands(),
           BenchCommands(),
           ModelCommands(),
           LogitsCommands(),
           BenchModelCommands(),
           PerplexityCommands(),
           WaferCommands(),
           PlacementCommands(),
           SiliconCommands(),
           SimCommands(),
           VersionCommands(),
       }) {
    all.insert(all.end(), group.begin(), group.end());
  }
  return all;
}

}  // namespace
}  // namespace waferline::cli

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  return waferline::cli::RunProgram(waferline::cli::AllCommands(), words);
}
