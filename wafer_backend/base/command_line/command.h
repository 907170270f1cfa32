// What a program of ours offers on the command line, as plain values: its commands in groups, and
// the flags of each. waferctl has many commands, waferd one without words.
//
//   Command{.words = "model inspect",
//           .summary = "What a model file holds",
//           .operands = {{"FILE", "a GGUF file"}},
//           .flags = {Switch("tensors", "also list the tensors")},
//           .examples = {"waferctl model inspect demo.gguf"},
//           .run = [](const Arguments& arguments) { return Inspect(arguments); }}
//
// Results go to stdout, progress and remarks to stderr. Exit codes: 0 done, 1 failed, 2 the command
// line is wrong.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "wafer_backend/base/command_line/flag.h"

namespace waferline::cli {

class Arguments;

struct Operand {
  // "FILE" is needed; "[FILE]" may be left out; a last "FILE..." takes any number
  std::string name;
  std::string summary;
  std::vector<std::string> choices = {};  // if any, no other is allowed; '-' is accepted for '_'
};

struct Command {
  std::string words;    // "model inspect": as typed; empty for a program that is one command
  std::string summary;  // one line, without a full stop
  std::vector<Operand> operands;
  std::vector<Flag> flags;
  std::vector<std::string> examples;  // whole command lines
  // A status from UsageError exits with 2, any other error with 1; its message goes to stderr.
  std::function<absl::Status(const Arguments&)> run;
};

struct Group {
  std::string name;  // "model": what `waferctl model --help` lists
  std::string summary;
  std::vector<Command> commands;
};

struct Variable {
  std::string name;
  std::string summary;
};

struct Program {
  std::string name;  // "waferctl"
  std::string version;
  std::string summary;  // one line, without a full stop
  std::vector<Group> groups;
  std::vector<Variable> environment;
  int manual_section = 1;
};

// The command line makes no sense; `message` names the flag and what is allowed.
absl::Status UsageError(std::string_view message);
bool IsUsageError(const absl::Status& status);

// All commands, in the order of the groups; they live as long as `program`.
std::vector<const Command*> CommandsOf(const Program& program);

}  // namespace waferline::cli
