// `waferctl model ...`: what a GGUF file holds, what it computes, how well and how fast. All work
// on the file alone, no server is asked.
#pragma once

#include "wafer_backend/base/command_line/command.h"

namespace waferline::cli {

Group ModelGroup();

// One function a command, each in a file of its name.
Command InspectCommand();
Command TokenizeCommand();
Command ExportHfCommand();
Command LogitsCommand();
Command PerplexityCommand();
Command BenchModelCommand();

}  // namespace waferline::cli
