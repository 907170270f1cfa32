// waferctl itself: finds the command that a command line names, explains, runs it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "client/cli/frame/command.h"

namespace waferline::cli {

// Returns the exit code. `words` is the command line without the program's name. Writes results to
// stdout and errors to stderr; with --json an error is {"error": {"message", "code"}} there.
int RunProgram(const std::vector<Command>& commands, std::span<const std::string> words);

}  // namespace waferline::cli
