#include "client/cli/frame/program.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/cli/frame/arguments.h"
#include "wafer_backend/base/strings.h"

namespace waferline::cli {
namespace {

void Print(FILE* file, const std::string& text) { fwrite(text.data(), 1, text.size(), file); }

std::string Column(std::string text, size_t width) {
  text.append(width > text.size() ? width - text.size() : 0, ' ');
  return text + "  ";
}

std::string Overview(const std::vector<Command>& commands) {
  size_t width = 0;
  for (const Command& command : commands) width = std::max(width, command.words.size());
  std::string text = "usage: waferctl COMMAND [flags]\n\n";
  for (const Command& command : commands) {
    absl::StrAppend(&text, "  ", Column(command.words, width), command.summary, "\n");
  }
  return text + "\nwaferctl COMMAND --help explains a command; each takes --json.\n";
}

std::string Help(const Command& command) {
  std::string text = absl::StrCat("usage: waferctl ", command.words);
  for (const std::string& operand : command.operands) absl::StrAppend(&text, " ", operand);
  absl::StrAppend(&text, " [flags]\n\n", command.summary, "\n\n");
  std::vector<std::pair<std::string, std::string>> lines;
  for (const Flag& flag : command.flags) {
    std::string left = absl::StrCat("--", flag.name, flag.value.empty() ? "" : " ", flag.value);
    const bool says = flag.fallback.has_value() && !flag.fallback->empty();
    lines.emplace_back(left, flag.summary + (says ? absl::StrCat(" [", *flag.fallback, "]") : ""));
  }
  lines.emplace_back("--json", "one JSON document on stdout");
  size_t width = 0;
  for (const auto& [left, right] : lines) width = std::max(width, left.size());
  for (const auto& [left, right] : lines) {
    absl::StrAppend(&text, "  ", Column(left, width), right, "\n");
  }
  return text;
}

// The command whose words the line begins with, the longest such.
const Command* FindCommand(const std::vector<Command>& commands, std::span<const std::string> words,
                           size_t* used) {
  const Command* best = nullptr;
  for (const Command& command : commands) {
    const std::vector<std::string> own = absl::StrSplit(command.words, ' ');
    if (own.size() <= words.size() && std::equal(own.begin(), own.end(), words.begin()) &&
        (best == nullptr || own.size() > *used)) {
      best = &command;
      *used = own.size();
    }
  }
  return best;
}

// `model` alone, or `model inspcet`: says which commands there are.
std::string UnknownCommand(const std::vector<Command>& commands,
                           std::span<const std::string> words) {
  std::vector<std::string> group, all;
  for (const Command& command : commands) {
    all.push_back(command.words);
    if (command.words.starts_with(words.front() + " ")) group.push_back(command.words);
  }
  std::vector<std::string> typed;
  for (const std::string& word : words) {
    if (word.starts_with("-") || typed.size() == 2) break;
    typed.push_back(word);
  }
  const std::string line = absl::StrJoin(typed, " ");
  if (typed.size() < 2 && !group.empty()) {
    return absl::StrCat("'", line, "' wants one of: ", absl::StrJoin(group, ", "));
  }
  std::string nearest = Nearest(line, group.empty() ? all : group);
  if (nearest.empty()) nearest = Nearest(words.front(), all);
  return absl::StrCat("there is no command '", line, "'",
                      nearest.empty() ? "" : absl::StrCat("; is '", nearest, "' meant?"));
}

void PrintError(const absl::Status& status, bool json, std::string_view command) {
  if (json) {
    boost::json::object error{
        {"message", std::string(Std(status.message()))},
        {"code", absl::StatusCodeToString(status.code())},
    };
    Print(stderr, boost::json::serialize(boost::json::object{{"error", error}}) + "\n");
    return;
  }
  Print(stderr, absl::StrCat("waferctl: ", status.message(), "\n"));
  if (IsUsageError(status)) {
    Print(stderr,
          absl::StrCat("try: waferctl ", Absl(command), command.empty() ? "" : " ", "--help\n"));
  }
}

bool Contains(std::span<const std::string> words, std::string_view word) {
  const auto end = std::find(words.begin(), words.end(), "--");
  return std::find(words.begin(), end, word) != end;
}

}  // namespace

int RunProgram(const std::vector<Command>& commands, std::span<const std::string> words) {
  if (words.empty()) {
    Print(stderr, Overview(commands));
    return 2;
  }
  const bool help_word = words.front() == "help" && words.size() > 1;
  if (help_word) words = words.subspan(1);
  if (words.front() == "help" || words.front() == "--help" || words.front() == "-h") {
    Print(stdout, Overview(commands));
    return 0;
  }
  const bool json = Contains(words, "--json");
  size_t used = 0;
  const Command* command = FindCommand(commands, words, &used);
  if (command == nullptr) {
    PrintError(UsageError(UnknownCommand(commands, words)), json, "");
    return 2;
  }
  words = words.subspan(used);
  if (help_word || Contains(words, "--help") || Contains(words, "-h")) {
    Print(stdout, Help(*command));
    return 0;
  }
  const absl::StatusOr<Arguments> arguments = Arguments::Parse(*command, words);
  const absl::Status status = arguments.ok() ? command->run(*arguments) : arguments.status();
  fflush(stdout);
  if (status.ok()) return 0;
  PrintError(status, json, command->words);
  return IsUsageError(status) ? 2 : 1;
}

}  // namespace waferline::cli
