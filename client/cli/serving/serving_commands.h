// The commands that talk to a running server: a client, a load harness, faults.
#pragma once

#include <vector>

#include "wafer_backend/base/command_line/command.h"

namespace waferline::cli {

Group ClientGroup();    // complete, chat, models
Group BenchGroup();     // bench run, bench sweep, bench replay
Group OperatorGroup();  // top, status, requests, abort, drain, resume
Group FaultsGroup();    // faults send
Group AccountsGroup();  // tenants, keys, quotas, usage

// One function a command, each in a file of its name.
Command CompleteCommand();
Command ChatCommand();
Command ModelsCommand();
Command BenchRunCommand();
Command BenchSweepCommand();
Command BenchReplayCommand();
Command FaultsSendCommand();
Command TopCommand();
Command StatusCommand();
Command RequestsCommand();
Command AbortCommand();
Command DrainCommand();
Command ResumeCommand();
Command UsageCommand();
std::vector<Command> QuotaCommands();  // list, set, remove

}  // namespace waferline::cli
