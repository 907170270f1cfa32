// Every command of waferctl, one line a group, in the order in which the overview shows them.
#include <span>
#include <string>
#include <vector>

#include "client/cli/frame/command.h"
#include "client/cli/frame/program.h"
#include "client/cli/model/bench_model_command.h"
#include "client/cli/model/logits_command.h"
#include "client/cli/model/model_commands.h"
#include "client/cli/model/perplexity_command.h"
#include "client/cli/serving/bench_commands.h"
#include "client/cli/serving/chat_command.h"
#include "client/cli/serving/complete_command.h"
#include "client/cli/serving/fault_command.h"
#include "client/cli/sim/sim_commands.h"
#include "client/cli/version_command.h"
#include "client/cli/wafer/placement_commands.h"
#include "client/cli/wafer/silicon_commands.h"
#include "client/cli/wafer/wafer_commands.h"

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
