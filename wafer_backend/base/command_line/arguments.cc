#include "wafer_backend/base/command_line/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

std::string NameOf(const Command& command) {
  return command.words.empty() ? "" : command.words + ": ";
}

// "--http-port,--http_port": CLI11's list of a flag's names.
std::string SpellingsOf(const Flag& flag) {
  std::vector<std::string> names = flag.aliases;
  names.insert(names.begin(), flag.name);
  std::string text;
  for (const std::string& name : names) {
    absl::StrAppend(&text, text.empty() ? "--" : ",--", name);
    std::string underscored = name;
    std::replace(underscored.begin(), underscored.end(), '-', '_');
    if (underscored != name) absl::StrAppend(&text, ",--", underscored);
  }
  return text;
}

CLI::Option* AddOption(const Flag& flag, CLI::App* app) {
  if (flag.kind == Flag::Kind::kSwitch) {
    return app->add_flag(SpellingsOf(flag))->disable_flag_override();
  }
  // All values are kept: whether there may be several is for the flag to say.
  return app->add_option(SpellingsOf(flag), [](const CLI::results_t&) { return true; })
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

// What CLI11 finds wrong with a flag's number of values, in our words. Its message begins with the
// flag's name.
absl::Status ValueCountError(const Command& command, std::string message) {
  message.erase(0, message.find_first_not_of('-'));
  const std::string name = message.substr(0, message.find_first_of(": "));
  for (const Flag& flag : command.flags) {
    const std::string names = SpellingsOf(flag) + ",";
    if (names.find("--" + name + ",") == std::string::npos) continue;
    if (flag.kind == Flag::Kind::kSwitch) {
      return UsageError(absl::StrCat("--", flag.name, " takes no value"));
    }
    return UsageError(
        absl::StrCat("--", flag.name, " needs a value: --", flag.name, " ", flag.value));
  }
  return UsageError(message);
}

absl::Status UnknownFlag(const Command& command, const std::string& word) {
  std::vector<std::string_view> names;
  for (const Flag& flag : command.flags) names.push_back(flag.name);
  const std::string name = word.substr(0, word.find('='));
  const std::string bare = name.substr(std::min(name.find_first_not_of('-'), name.size()));
  return UsageError(
      absl::StrCat(NameOf(command), "unknown flag ", name, DidYouMean(bare, names, "--")));
}

absl::Status CheckOperandCount(const Command& command, const std::vector<std::string>& operands) {
  size_t min = 0;
  size_t max = command.operands.size();
  for (const Operand& operand : command.operands) {
    if (operand.name.ends_with("...")) {
      max = std::string::npos;
    } else if (operand.name.front() != '[') {
      ++min;
    }
  }
  if (operands.size() < min) {
    return UsageError(
        absl::StrCat(NameOf(command), command.operands[operands.size()].name, " is missing"));
  }
  if (operands.size() > max) {
    return UsageError(absl::StrCat(NameOf(command), "unexpected word '", operands[max],
                                   "' (flags begin with --)"));
  }
  return absl::OkStatus();
}

absl::Status CheckOperandChoices(const Command& command, const std::vector<std::string>& operands) {
  for (size_t i = 0; i < std::min(operands.size(), command.operands.size()); ++i) {
    const std::vector<std::string>& choices = command.operands[i].choices;
    const auto is_given = [&](const std::string& name) { return IsName(operands[i], name); };
    if (choices.empty() || std::any_of(choices.begin(), choices.end(), is_given)) continue;
    const std::vector<std::string_view> names(choices.begin(), choices.end());
    return UsageError(absl::StrCat(NameOf(command), command.operands[i].name, ": '", operands[i],
                                   "' is not allowed, ", MustBeOneOf(operands[i], names)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Arguments> Arguments::Parse(const Command& command,
                                           std::span<const std::string> words) {
  Arguments result;
  for (const Flag& flag : command.flags) result.flags_[flag.name] = {.flag = flag};
  WL_RETURN_IF_ERROR(result.ReadWords(command, words));
  WL_RETURN_IF_ERROR(result.CheckFlags(command));
  WL_RETURN_IF_ERROR(CheckOperandCount(command, result.operands_));
  WL_RETURN_IF_ERROR(CheckOperandChoices(command, result.operands_));
  return result;
}

absl::Status Arguments::ReadWords(const Command& command, std::span<const std::string> words) {
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  std::vector<std::pair<Given*, CLI::Option*>> options;
  for (const Flag& flag : command.flags) {
    options.emplace_back(&flags_[flag.name], AddOption(flag, &app));
  }
  // CLI11 wants the words in reverse, and reads "--flag=" as a flag without its value.
  std::vector<std::string> reversed;
  for (size_t i = words.size(); i-- > 0;) {
    const std::string& word = words[i];
    const bool empty_value = word.starts_with("--") && word.find('=') == word.size() - 1;
    if (empty_value) reversed.emplace_back();
    reversed.push_back(empty_value ? word.substr(0, word.size() - 1) : word);
  }
  try {
    app.parse(reversed);
  } catch (const CLI::ArgumentMismatch& error) {
    return ValueCountError(command, error.what());
  } catch (const CLI::ParseError& error) {
    return UsageError(error.what());
  }
  for (const auto& [given, option] : options) {
    given->present = option->count() > 0;
    if (given->flag.kind == Flag::Kind::kSwitch) continue;
    given->values = option->results();
    if (given->values.size() > 1 && !given->flag.repeatable) {
      return UsageError(absl::StrCat("--", given->flag.name, " is given ", given->values.size(),
                                     " times, must be given once: '", given->values.front(),
                                     "' and '", given->values[1], "'"));
    }
    for (const std::string& value : given->values) {
      if (const auto wrong = WrongValue(given->flag, value)) {
        return UsageError(absl::StrCat("--", given->flag.name, ": ", *wrong));
      }
    }
  }
  return TakeOperands(command, app.remaining());
}

// `rest` is what CLI11 did not take for a declared flag, with the "--" after which there are none.
absl::Status Arguments::TakeOperands(const Command& command, const std::vector<std::string>& rest) {
  bool only_operands = false;
  for (const std::string& word : rest) {
    if (!only_operands && word == "--") {
      only_operands = true;
    } else if (!only_operands && word.starts_with("-") && word != "-") {
      return UnknownFlag(command, word);
    } else {
      operands_.push_back(word);
    }
  }
  return absl::OkStatus();
}

absl::Status Arguments::CheckFlags(const Command& command) const {
  for (const Flag& flag : command.flags) {
    const bool holds = !flag.condition || Holds(command, *flag.condition);
    if (!holds && Has(flag.name) && !flag.condition->operand.empty()) {
      return UsageError(
          absl::StrCat("--", flag.name, " has no effect without ", TextOf(*flag.condition)));
    }
    if (!holds && Has(flag.name)) {
      const Given& other = Find(flag.condition->flag);
      const bool has_value = !other.values.empty() || other.flag.fallback;
      return UsageError(
          absl::StrCat("--", flag.name, " has no effect ",
                       has_value && !flag.condition->values.empty()
                           ? absl::StrCat("with --", other.flag.name, " ", Text(other.flag.name),
                                          other.present ? "" : " (the default)", ", only with ")
                           : "without ",
                       TextOf(*flag.condition)));
    }
    if (holds && flag.required && !Has(flag.name)) {
      const bool named = flag.condition && !flag.condition->values.empty();
      return UsageError(absl::StrCat(
          NameOf(command), "--", flag.name, " ", flag.value, " is required",
          named ? absl::StrCat(" with --", flag.condition->flag, " ", Text(flag.condition->flag))
                : "",
          ": ", flag.summary));
    }
  }
  return absl::OkStatus();
}

bool Arguments::Holds(const Command& command, const Flag::Condition& condition) const {
  if (!condition.operand.empty()) {
    for (size_t i = 0; i < operands_.size() && i < command.operands.size(); ++i) {
      if (command.operands[i].name == "[" + condition.operand + "]") return true;
    }
    return false;
  }
  if (condition.values.empty()) return Has(condition.flag);
  const Given& given = Find(condition.flag);
  if (given.values.empty() && !given.flag.fallback) return false;
  return std::find(condition.values.begin(), condition.values.end(), Text(condition.flag)) !=
         condition.values.end();
}

const Arguments::Given& Arguments::Find(std::string_view flag) const {
  const auto found = flags_.find(flag);
  WL_CHECK(found != flags_.end());
  return found->second;
}

bool Arguments::Has(std::string_view flag) const { return Find(flag).present; }

bool Arguments::On(std::string_view flag) const {
  const Given& given = Find(flag);
  WL_CHECK(given.flag.kind == Flag::Kind::kSwitch);
  return given.present;
}

const std::string& Arguments::Text(std::string_view flag) const {
  const Given& given = Find(flag);
  if (!given.values.empty()) return given.values.front();
  WL_CHECK(given.flag.fallback.has_value());
  return *given.flag.fallback;
}

int64_t Arguments::Integer(std::string_view flag) const {
  int64_t value = 0;
  WL_CHECK(Find(flag).flag.kind == Flag::Kind::kInteger);
  WL_CHECK(absl::SimpleAtoi(Text(flag), &value));
  return value;
}

double Arguments::Number(std::string_view flag) const {
  double value = 0;
  WL_CHECK(Find(flag).flag.kind == Flag::Kind::kNumber);
  WL_CHECK(absl::SimpleAtod(Text(flag), &value));
  return value;
}

std::vector<std::string> Arguments::Texts(std::string_view flag) const {
  const Given& given = Find(flag);
  WL_CHECK(given.flag.repeatable);
  if (given.values.empty() && given.flag.fallback) return {*given.flag.fallback};
  return given.values;
}

}  // namespace waferline::cli
