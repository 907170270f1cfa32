#include "wafer_backend/base/command_line/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/command_line/completion.h"
#include "wafer_backend/base/command_line/help.h"
#include "wafer_backend/base/command_line/manual.h"
#include "wafer_backend/base/command_line/stdout_text.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/terminal_text.h"

namespace waferline::cli {
namespace {

void PrintToStderr(const std::string& text) { fwrite(text.data(), 1, text.size(), stderr); }

bool IsOneCommand(const Program& program) { return program.groups[0].commands[0].words.empty(); }

absl::Status PrintCompletion(const Program& program, const std::string& shell) {
  WL_ASSIGN_OR_RETURN(const std::string script, CompletionOf(program, shell));
  WriteStdout(script);
  return absl::OkStatus();
}

absl::Status PrintVersion(const Program& program, const std::string& commit, bool json) {
  boost::json::object object{{"version", program.version}};
  if (!commit.empty()) object["commit"] = commit;
  WriteStdout(json ? JsonText(object) + "\n"
                   : fmt::format("{} {}{}\n", program.name, program.version,
                                 commit.empty() ? "" : " (commit " + commit + ")"));
  return absl::OkStatus();
}

// What a program without commands has as flags: they take the place of what it does.
void AddBuiltInFlags(Program* program, const std::string& commit) {
  Command& command = program->groups[0].commands[0];
  command.flags.insert(
      command.flags.end(),
      {Switch("version", "print the version"),
       ChoiceFlag("completion", "SHELL", "print a script that completes command lines in a shell",
                  CompletionShells()),
       Switch("manual", "print the manual page, for man -l"), Switch("help", "print this")});
  command.run = [program, commit, run = command.run](const Arguments& arguments) {
    if (arguments.On("version")) return PrintVersion(*program, commit, false);
    if (arguments.On("manual")) return WriteStdout(ManualOf(*program)), absl::OkStatus();
    if (arguments.Has("completion")) return PrintCompletion(*program, arguments.Text("completion"));
    return run(arguments);
  };
}

void AddBuiltInCommands(Program* program, const std::string& commit) {
  const Flag json = Switch("json", "print one JSON document instead of text");
  for (Group& group : program->groups) {
    for (Command& command : group.commands) {
      command.flags.push_back(json);
    }
  }
  const std::string& name = program->name;
  program->groups.push_back(
      {.name = "about",
       .summary = fmt::format("About {} itself", name),
       .commands = {{.words = "completion",
                     .summary = "Print a script that completes command lines in a shell",
                     .operands = {{"SHELL", "which shell", CompletionShells()}},
                     .examples = {fmt::format("source <({} completion bash)", name)},
                     .run =
                         [program](const Arguments& arguments) {
                           return PrintCompletion(*program, arguments.operand(0));
                         }},
                    {.words = "man",
                     .summary = "Print the manual page",
                     .examples = {fmt::format("{0} man > {0}.1 && man -l {0}.1", name)},
                     .run =
                         [program](const Arguments&) {
                           WriteStdout(ManualOf(*program));
                           return absl::OkStatus();
                         }},
                    {.words = "version",
                     .summary = "Which build of Waferline this is",
                     .flags = {json},
                     .run = [program, commit](const Arguments& arguments) {
                       return PrintVersion(*program, commit, arguments.json());
                     }}}});
}

// The command whose words the line begins with, the longest such; `used` counts them.
const Command* FindCommand(const Program& program, std::span<const std::string> words,
                           size_t* used) {
  const Command* best = nullptr;
  for (const Command* command : CommandsOf(program)) {
    std::vector<std::string> own;
    if (!command->words.empty()) own = absl::StrSplit(command->words, ' ');
    if (own.size() <= words.size() && std::equal(own.begin(), own.end(), words.begin()) &&
        (best == nullptr || own.size() > *used)) {
      best = command;
      *used = own.size();
    }
  }
  return best;
}

// `model` alone, or `model inspcet`: says which commands there are.
std::string UnknownCommand(const Program& program, std::span<const std::string> words) {
  std::vector<std::string_view> all, group;
  for (const Command* command : CommandsOf(program)) {
    all.push_back(command->words);
    if (command->words.starts_with(words.front() + " ")) group.push_back(command->words);
  }
  std::vector<std::string> typed;
  for (const std::string& word : words) {
    if (word.starts_with("-") || typed.size() == 2) break;
    typed.push_back(word);
  }
  if (typed.empty()) return absl::StrCat("a command must come before ", words.front());
  if (typed.size() < 2 && !group.empty()) {
    return fmt::format("'{}' needs one of: {}", typed[0], fmt::join(group, ", "));
  }
  const std::string unknown = absl::StrCat("unknown command '", absl::StrJoin(typed, " "), "'");
  if (!group.empty()) {
    std::vector<std::string_view> rests;
    const std::string prefix = typed[0] + " ";
    for (const std::string_view one : group) rests.push_back(one.substr(prefix.size()));
    const std::string nearest = DidYouMean(typed[1], rests, prefix);
    if (!nearest.empty()) return unknown + nearest;
    return fmt::format("{}; '{}' needs one of: {}", unknown, typed[0], fmt::join(group, ", "));
  }
  for (const Group& known : program.groups) {
    all.push_back(known.name);
    if (known.name != typed[0]) continue;
    std::vector<std::string_view> commands;
    for (const Command& command : known.commands) commands.push_back(command.words);
    return fmt::format("'{}' is a group of commands: {}", typed[0], fmt::join(commands, ", "));
  }
  return unknown + DidYouMean(typed[0], all);
}

void PrintError(const Program& program, const absl::Status& status, bool json,
                const std::string& command) {
  if (json) {
    const boost::json::object error{{"message", std::string(status.message())},
                                    {"code", absl::StatusCodeToString(status.code())}};
    PrintToStderr(JsonText(boost::json::object{{"error", error}}) + "\n");
    return;
  }
  // A server's words may be in it.
  PrintToStderr(absl::StrCat(
      program.name, ": ", TerminalText({status.message().data(), status.message().size()}), "\n"));
  if (IsUsageError(status)) {
    PrintToStderr(
        absl::StrCat("try: ", program.name, command.empty() ? "" : " ", command, " --help\n"));
  }
}

// Is `word` before any "--"?
bool Contains(std::span<const std::string> words, std::string_view word) {
  const auto end = std::find(words.begin(), words.end(), "--");
  return std::find(words.begin(), end, word) != end;
}

absl::Status PrintHelp(const Program& program, std::span<const std::string> words) {
  size_t used = 0;
  if (words.empty() && !IsOneCommand(program)) {
    WriteStdout(HelpOf(program));
    return absl::OkStatus();
  }
  if (const Command* command = FindCommand(program, words, &used)) {
    WriteStdout(HelpOf(program, *command));
    return absl::OkStatus();
  }
  for (const Group& group : program.groups) {
    if (group.name != words.front() || words.size() > 1) continue;
    WriteStdout(HelpOf(program, group));
    return absl::OkStatus();
  }
  // A word that several commands of a group begin with: `invoice` of prices.
  for (const Group& group : program.groups) {
    Group part{.name = words.front(), .summary = group.summary, .commands = {}};
    for (const Command& command : group.commands) {
      if (command.words.starts_with(words.front() + " ")) part.commands.push_back(command);
    }
    if (part.commands.empty() || words.size() > 1) continue;
    WriteStdout(HelpOf(program, part));
    return absl::OkStatus();
  }
  return UsageError(UnknownCommand(program, words));
}

struct CommandResult {
  absl::Status status;
  std::string command;  // its words, where they are known
};

CommandResult RunWords(const Program& program, std::span<const std::string> words) {
  const bool help_word = !words.empty() && words.front() == "help" && !IsOneCommand(program);
  if (help_word) return {PrintHelp(program, words.subspan(1)), ""};
  if (Contains(words, "--help") || Contains(words, "-h")) {
    const auto flags = std::find_if(words.begin(), words.end(),
                                    [](const std::string& word) { return word.starts_with("-"); });
    size_t used = 0;
    const bool known = FindCommand(program, words, &used) != nullptr;
    return {PrintHelp(program, {words.begin(), known ? words.begin() + used : flags}), ""};
  }
  if (!words.empty() && words.front() == "--version" && !IsOneCommand(program)) {
    const std::string command = "version";
    return RunWords(program, {&command, 1});
  }
  size_t used = 0;
  const Command* command = FindCommand(program, words, &used);
  if (command == nullptr) return {UsageError(UnknownCommand(program, words)), ""};
  const auto arguments = Arguments::Parse(*command, words.subspan(used));
  return {arguments.ok() ? command->run(*arguments) : arguments.status(), command->words};
}

}  // namespace

int RunProgram(Program program, std::span<const std::string> words, const std::string& commit) {
  if (IsOneCommand(program)) {
    AddBuiltInFlags(&program, commit);
  } else {
    AddBuiltInCommands(&program, commit);
    if (words.empty()) {
      PrintToStderr(HelpOf(program));
      return 2;
    }
  }
  CommandResult result = RunWords(program, words);
  if (result.status.ok()) result.status = FlushStdout();
  if (result.status.ok()) return 0;
  FlushStdout().IgnoreError();  // it failed for another reason already
  PrintError(program, result.status, Contains(words, "--json"), result.command);
  return IsUsageError(result.status) ? 2 : 1;
}

}  // namespace waferline::cli
