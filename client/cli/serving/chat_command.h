// `waferctl chat`: a conversation. On a terminal it is interactive; Ctrl-C ends an answer, Ctrl-D
// the conversation. Otherwise each line of stdin is a message.
#pragma once

#include <vector>

#include "client/cli/frame/command.h"

namespace waferline::cli {

std::vector<Command> ChatCommands();

}  // namespace waferline::cli
