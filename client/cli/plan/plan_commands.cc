#include "client/cli/plan/plan_commands.h"

namespace waferline::cli {

Group PlanGroup() {
  return {.name = "plan",
          .summary = "What a fleet takes to build, and what breaks first",
          .commands = {PlanRunCommand(), PlanBreaksCommand(), PlanMcCommand(), PlanSweepCommand(),
                       PlanTierCommand(), PlanServeCommand()}};
}

}  // namespace waferline::cli
