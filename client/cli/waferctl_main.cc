// waferctl: every group of commands, in the order in which the help shows them.
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/billing/billing_commands.h"
#include "client/cli/certs/certs_commands.h"
#include "client/cli/fleet/fleet_command.h"
#include "client/cli/model/model_commands.h"
#include "client/cli/plan/plan_commands.h"
#include "client/cli/serving/server_flags.h"
#include "client/cli/serving/serving_commands.h"
#include "client/cli/sim/sim_commands.h"
#include "client/cli/wafer/wafer_commands.h"
#include "wafer_backend/base/command_line/build_commit.h"
#include "wafer_backend/base/command_line/program.h"

int main(int argc, char** argv) {
  using namespace waferline::cli;
  // What goes wrong is in the errors; gRPC would also print lines of its own. Nothing else runs
  // yet.
  (void)setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  Program program{
      .name = "waferctl",
      .version = WAFERLINE_VERSION,
      .summary = "a client of inference servers, and Waferline's models of hardware",
      .groups = {ClientGroup(), BenchGroup(), OperatorGroup(), FleetGroup(), FaultsGroup(),
                 AccountsGroup(), CertsGroup(), ModelGroup(), WaferGroup(), SimGroup(), PlanGroup(),
                 PricesGroup(), BooksGroup(), ContractGroup(), SelftestGroup()},
      .environment = ServerVariables()};
  for (Group& group : program.groups) {
    for (Command& command : group.commands) SayWhatToTry(&command);
  }
  return RunProgram(std::move(program), std::vector<std::string>(argv + 1, argv + argc),
                    kBuildCommit);
}
