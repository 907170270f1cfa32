// A program's manual page in troff (man macros), from its tables. Pure; any thread.
#pragma once

#include <string>

#include "wafer_backend/base/command_line/command.h"

namespace waferline::cli {

std::string ManualOf(const Program& program);

}  // namespace waferline::cli
