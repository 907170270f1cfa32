// The help texts, from the tables of a program. Pure; any thread.
#pragma once

#include <string>

#include "wafer_backend/base/command_line/command.h"

namespace waferline::cli {

// `waferctl --help`: all commands by group.
std::string HelpOf(const Program& program);
// `waferctl model --help`: the commands of a group.
std::string HelpOf(const Program& program, const Group& group);
// `waferctl model inspect --help`: its operands, flags and examples; commands whose words begin
// with its own are named too.
std::string HelpOf(const Program& program, const Command& command);

// "waferctl complete PROMPT [flags]"
std::string UsageOf(const Program& program, const Command& command);
// "--max-tokens N"
std::string SpellingOf(const Flag& flag);
// The summary with its choices and its default.
std::string ExplanationOf(const Flag& flag);
std::string ExplanationOf(const Operand& operand);
// The flags without a condition first, then those of each condition; `title` is a condition's text.
struct FlagSection {
  std::string title;
  std::vector<const Flag*> flags;
};
std::vector<FlagSection> SectionsOf(const Command& command);

}  // namespace waferline::cli
