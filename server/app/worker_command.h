// waferd as one worker of a server: its flags, and from them to its role. Thread: the main one.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/command_line/flag.h"

namespace waferline::app {

std::vector<std::string> WorkerRoles();  // the values of --role for workers
std::vector<cli::Flag> WorkerFlags();    // each only with its roles
// Runs the worker of --role until it fails or a signal comes.
absl::Status RunWorker(const cli::Arguments& arguments);

}  // namespace waferline::app
