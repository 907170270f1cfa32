// The offline commands: sim, sim sweep, sim tiers, sim merge, sim search, sim compare, selftest
// laws, selftest cloud.
#pragma once

#include "wafer_backend/base/command_line/command.h"

namespace waferline::cli {

Group SimGroup();
Group SelftestGroup();

// One function a command, each in a file of its name.
Command SimCommand();
Command SimSweepCommand();
Command SimMergeCommand();
Command SimTiersCommand();
Command SimSearchCommand();
Command SimCompareCommand();
Command LawsCommand();
Command CloudCommand();

}  // namespace waferline::cli
