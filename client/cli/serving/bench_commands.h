// `waferctl bench`: load for a server, measured from the client's side.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/cli/frame/command.h"
#include "client/load/load_run.h"

namespace waferline::cli {

std::vector<Command> BenchCommands();
Command BenchReplayCommand();

// One JSON line a request, into --requests FILE.
absl::Status WriteRequests(const std::string& path, const load::LoadResult& result);

}  // namespace waferline::cli
