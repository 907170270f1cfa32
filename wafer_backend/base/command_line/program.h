// The main function of a program of ours: finds the command that a command line names, explains it
// or runs it. Adds what every program has: --help and --version, completion and the manual page
// (commands of a program with commands, flags of one without), and --json for every command that
// has a result.
#pragma once

#include <span>
#include <string>

#include "wafer_backend/base/command_line/command.h"

namespace waferline::cli {

// Returns the exit code. `words` is the command line without the program's name. Writes results to
// stdout and errors to stderr; with --json an error is {"error": {"message", "code"}} there. What
// cannot be written to stdout (a full disk) is a failure too. `commit`: which one it was built
// from,
// "" if that is not known.
int RunProgram(Program program, std::span<const std::string> words, const std::string& commit = "");

}  // namespace waferline::cli
