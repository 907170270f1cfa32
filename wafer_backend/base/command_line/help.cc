#include "wafer_backend/base/command_line/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"

namespace waferline::cli {
namespace {

constexpr size_t kColumns = 100;
constexpr size_t kMaxLeft = 30;  // a longer left side stands on a line of its own

struct HelpLine {
  std::string left, right;
};

// `text` cut at spaces to lines of `width`.
std::vector<std::string> Wrapped(const std::string& text, size_t width) {
  std::vector<std::string> lines;
  size_t begin = 0;
  while (text.size() - begin > width) {
    size_t end = text.rfind(' ', begin + width);
    if (end == std::string::npos || end <= begin) end = text.find(' ', begin);
    if (end == std::string::npos) break;
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  lines.push_back(text.substr(begin));
  return lines;
}

// Two columns, the right one wrapped.
std::string TableText(const std::vector<HelpLine>& rows) {
  size_t width = 0;
  for (const HelpLine& row : rows) {
    if (row.left.size() <= kMaxLeft) width = std::max(width, row.left.size());
  }
  std::string text;
  for (const HelpLine& row : rows) {
    std::string left = row.left;
    if (left.size() > width) {
      text += fmt::format("  {}\n", left);
      left.clear();
    }
    for (const std::string& line : Wrapped(row.right, kColumns - width - 4)) {
      text += fmt::format("  {:<{}}  {}\n", left, width, line);
      left.clear();
    }
  }
  return text;
}

std::vector<HelpLine> RowsOf(const std::vector<const Command*>& commands) {
  std::vector<HelpLine> rows;
  for (const Command* command : commands) rows.push_back({command->words, command->summary});
  return rows;
}

std::vector<const Command*> CommandsOf(const Group& group) {
  std::vector<const Command*> commands;
  for (const Command& command : group.commands) commands.push_back(&command);
  return commands;
}

std::string EnvironmentText(const Program& program) {
  if (program.environment.empty()) return "";
  std::vector<HelpLine> rows;
  for (const Variable& variable : program.environment) {
    rows.push_back({variable.name, variable.summary});
  }
  return "\nEnvironment:\n" + TableText(rows);
}

std::string ExamplesText(const std::vector<std::string>& examples) {
  std::string text = examples.empty() ? "" : "\nExamples:\n";
  for (const std::string& example : examples) text += fmt::format("  {}\n", example);
  return text;
}

}  // namespace

std::string UsageOf(const Program& program, const Command& command) {
  std::string text = program.name;
  if (!command.words.empty()) text += " " + command.words;
  for (const Operand& operand : command.operands) text += " " + operand.name;
  for (const Flag& flag : command.flags) {
    if (flag.required && !flag.condition) text += " " + SpellingOf(flag);
  }
  return text + " [flags]";
}

std::string SpellingOf(const Flag& flag) {
  return fmt::format("--{}{}{}", flag.name, flag.value.empty() ? "" : " ", flag.value);
}

std::string ExplanationOf(const Flag& flag) {
  std::string text = flag.summary;
  if (flag.repeatable) text += "; may be given several times";
  if (flag.only_choices) text += " (" + absl::StrJoin(flag.choices, ", ") + ")";
  if (flag.required) text += " (required)";
  if (flag.fallback && !flag.fallback->empty()) {
    text += fmt::format(" [default: {}]", *flag.fallback);
  }
  return text;
}

std::string ExplanationOf(const Operand& operand) {
  if (operand.choices.empty()) return operand.summary;
  return operand.summary + " (" + absl::StrJoin(operand.choices, ", ") + ")";
}

std::vector<FlagSection> SectionsOf(const Command& command) {
  std::vector<FlagSection> sections(1);
  for (const Flag& flag : command.flags) {
    const std::string title = flag.condition ? TextOf(*flag.condition) : "";
    auto section = std::find_if(sections.begin(), sections.end(),
                                [&](const FlagSection& s) { return s.title == title; });
    if (section == sections.end()) section = sections.insert(section, {title, {}});
    section->flags.push_back(&flag);
  }
  return sections;
}

std::string HelpOf(const Program& program) {
  std::string text = fmt::format("{}: {}\n\nUsage: {} COMMAND [flags]\n", program.name,
                                 program.summary, program.name);
  for (const Group& group : program.groups) {
    text += fmt::format("\n{} ({}):\n", group.summary, group.name) +
            TableText(RowsOf(CommandsOf(group)));
  }
  return text + EnvironmentText(program) +
         fmt::format(
             "\n'{0} GROUP --help' lists a group with examples, '{0} COMMAND --help' explains a "
             "command.\n",
             program.name);
}

std::string HelpOf(const Program& program, const Group& group) {
  std::string text = fmt::format("{}\n\n", group.summary) + TableText(RowsOf(CommandsOf(group)));
  std::vector<std::string> examples;
  for (const Command& command : group.commands) {
    if (!command.examples.empty()) examples.push_back(command.examples.front());
  }
  return text + ExamplesText(examples) +
         fmt::format("\n'{} COMMAND --help' explains a command and its flags.\n", program.name);
}

std::string HelpOf(const Program& program, const Command& command) {
  std::string text = fmt::format("{}\n\nUsage: {}\n", command.summary, UsageOf(program, command));
  if (!command.operands.empty()) {
    std::vector<HelpLine> rows;
    for (const Operand& operand : command.operands) {
      rows.push_back({operand.name, ExplanationOf(operand)});
    }
    text += "\n" + TableText(rows);
  }
  for (const FlagSection& section : SectionsOf(command)) {
    if (section.flags.empty()) continue;
    std::vector<HelpLine> rows;
    for (const Flag* flag : section.flags)
      rows.push_back({SpellingOf(*flag), ExplanationOf(*flag)});
    text += section.title.empty() ? "\nFlags:\n" : fmt::format("\nWith {}:\n", section.title);
    text += TableText(rows);
  }
  std::vector<const Command*> longer;
  for (const Command* other : CommandsOf(program)) {
    if (!command.words.empty() && other->words.starts_with(command.words + " ")) {
      longer.push_back(other);
    }
  }
  if (!longer.empty()) text += "\nSee also:\n" + TableText(RowsOf(longer));
  if (command.words.empty()) text += EnvironmentText(program);
  return text + ExamplesText(command.examples);
}

}  // namespace waferline::cli
