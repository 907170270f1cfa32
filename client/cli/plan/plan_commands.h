// The commands on fleet plans: plan run, plan breaks, plan mc, plan sweep.
#pragma once

#include "wafer_backend/base/command_line/command.h"

namespace waferline::cli {

Group PlanGroup();

// One function a command, each in a file of its name.
Command PlanRunCommand();
Command PlanBreaksCommand();
Command PlanMcCommand();
Command PlanSweepCommand();

}  // namespace waferline::cli
