// What the commands that compute with a model file have in common: the file, the threads, and an
// older machine's instructions instead of the best that this one has. Caller's thread, before
// anything is computed.
#pragma once

#include "absl/status/status.h"
#include "wafer_backend/base/command_line/arguments.h"

namespace waferline::cli {

Operand ModelFileOperand();
Flag ThreadsFlag();
Flag CpuFlag();

// --threads, or one a core.
int ThreadsOf(const Arguments& arguments);
// A usage error for instructions that this machine does not have.
absl::Status ApplyCpuFlag(const Arguments& arguments);

}  // namespace waferline::cli
