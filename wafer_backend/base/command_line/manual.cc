#include "wafer_backend/base/command_line/manual.h"

#include <fmt/format.h>

#include "wafer_backend/base/command_line/help.h"

namespace waferline::cli {
namespace {

// Text as troff prints it: a backslash, a dash and a leading dot or quote would be commands.
std::string Escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (c == '\'') {
      out += "\\(aq";
    } else if (c == '"') {
      out += "\\(dq";
    } else {
      out += c;
    }
  }
  return out.starts_with(".") ? "\\&" + out : out;
}

std::string Entry(const std::string& name, const std::string& text) {
  return fmt::format(".TP\n.B {}\n{}\n", Escaped(name), Escaped(text));
}

std::string Examples(const std::vector<std::string>& examples) {
  if (examples.empty()) return "";
  std::string text = ".PP\nExamples:\n.PP\n.EX\n";
  for (const std::string& example : examples) text += Escaped(example) + "\n";
  return text + ".EE\n";
}

std::string Body(const Command& command) {
  std::string text;
  for (const Operand& operand : command.operands) {
    text += Entry(operand.name, ExplanationOf(operand));
  }
  for (const FlagSection& section : SectionsOf(command)) {
    if (!section.title.empty()) text += fmt::format(".PP\nWith {}:\n", Escaped(section.title));
    for (const Flag* flag : section.flags) text += Entry(SpellingOf(*flag), ExplanationOf(*flag));
  }
  return text + Examples(command.examples);
}

}  // namespace

std::string ManualOf(const Program& program) {
  std::string text = fmt::format(".TH {} {} \"\" \"Waferline {}\"\n", program.name,
                                 program.manual_section, Escaped(program.version));
  text +=
      fmt::format(".SH NAME\n{} \\- {}\n.SH SYNOPSIS\n", program.name, Escaped(program.summary));
  for (const Command* command : CommandsOf(program)) {
    text += fmt::format(".B {}\n.br\n", Escaped(UsageOf(program, *command)));
  }
  for (const Group& group : program.groups) {
    if (!group.name.empty()) text += fmt::format(".SH {}\n", Escaped(group.summary));
    for (const Command& command : group.commands) {
      text += command.words.empty() ? ".SH OPTIONS\n"
                                    : fmt::format(".SS {} {}\n{}.\n", program.name,
                                                  Escaped(command.words), Escaped(command.summary));
      text += Body(command);
    }
  }
  if (!program.environment.empty()) text += ".SH ENVIRONMENT\n";
  for (const Variable& variable : program.environment) {
    text += Entry(variable.name, variable.summary);
  }
  return text + ".SH EXIT STATUS\n" + Entry("0", "Done.") +
         Entry("1", "Failed; the reason is on stderr.") +
         Entry("2", "The command line is wrong; stderr says what is allowed.");
}

}  // namespace waferline::cli
