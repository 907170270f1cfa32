// What a shell needs to complete a program's command lines: a script made from the program's
// tables. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/base/command_line/command.h"

namespace waferline::cli {

// The shells there are scripts for: bash, zsh, fish.
const std::vector<std::string>& CompletionShells();
// A usage error for another shell.
absl::StatusOr<std::string> CompletionOf(const Program& program, const std::string& shell);

}  // namespace waferline::cli
