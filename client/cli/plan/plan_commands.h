// The commands on fleet plans: plan run, plan breaks, plan mc, plan sweep, plan tier, plan serve.
#pragma once

#include "wafer_backend/base/command_line/command.h"

namespace waferline::cli {

Group PlanGroup();

// One function a command, each in a file of its name.
Command PlanRunCommand();
Command PlanBreaksCommand();
Command PlanMcCommand();
Command PlanSweepCommand();
Command PlanTierCommand();
Command PlanServeCommand();

}  // namespace waferline::cli
