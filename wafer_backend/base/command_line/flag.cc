#include "wafer_backend/base/command_line/flag.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/number_text.h"

namespace waferline::cli {
namespace {

Flag Make(Flag::Kind kind, std::string name, std::string value, std::string summary) {
  return {.name = std::move(name),
          .kind = kind,
          .value = std::move(value),
          .summary = std::move(summary)};
}

// "in [1, 100]"; a bound that only the type sets is not named.
// 2147483647, not 2.14748e+09.
std::string BoundText(double bound) {
  constexpr double kExact = 1e15;
  if (std::abs(bound) < kExact && bound == std::trunc(bound)) {
    return absl::StrCat(static_cast<int64_t>(bound));
  }
  return NumberText(bound);
}

std::string RangeText(const Flag& flag) {
  constexpr double kHuge = 9e18;
  if (flag.max < kHuge) {
    return absl::StrCat("in [", BoundText(flag.min), ", ", BoundText(flag.max), "]");
  }
  return absl::StrCat("of at least ", BoundText(flag.min));
}

std::optional<std::string> WrongChoice(const Flag& flag, const std::string& value) {
  const std::vector<std::string>& choices = flag.choices;
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return std::nullopt;
  const std::vector<std::string_view> names(choices.begin(), choices.end());
  return absl::StrCat("'", value, "' is not allowed, ", MustBeOneOf(value, names));
}

// Looks, and creates nothing.
std::optional<std::string> WrongOutput(const std::string& path) {
  if (!path.empty() && path.find_first_not_of("0123456789") == std::string::npos) {
    return absl::StrCat("'", path, "' is a number; the name of a file to write is wanted (./", path,
                        " if this is one)");
  }
  const std::filesystem::path file(path);
  std::error_code error;
  const bool exists = std::filesystem::exists(file, error);
  if (path.empty() || (exists && std::filesystem::is_directory(file, error))) {
    return absl::StrCat("'", path, "' is not a file that can be written");
  }
  const std::string at = exists ? path : file.has_parent_path() ? file.parent_path().string() : ".";
  if (access(at.c_str(), W_OK) == 0) return std::nullopt;
  return absl::StrCat("'", path, "' cannot be written: ", at, ": ", std::strerror(errno));
}

}  // namespace

Flag Flag::Required() const {
  Flag flag = *this;
  flag.required = true;
  return flag;
}

Flag Flag::Repeatable() const {
  Flag flag = *this;
  flag.repeatable = true;
  return flag;
}

Flag Flag::With(std::string other, std::vector<std::string> values) const {
  Flag flag = *this;
  flag.condition = Condition{std::move(other), std::move(values)};
  return flag;
}

Flag Flag::WithOperand(std::string operand) const {
  Flag flag = *this;
  flag.condition = Condition{.flag = "", .values = {}, .operand = std::move(operand)};
  return flag;
}

Flag Flag::Suggest(std::vector<std::string> values) const {
  Flag flag = *this;
  flag.choices = std::move(values);
  return flag;
}

Flag Flag::Alias(std::string other) const {
  Flag flag = *this;
  flag.aliases.push_back(std::move(other));
  return flag;
}

Flag Switch(std::string name, std::string summary) {
  return Make(Flag::Kind::kSwitch, std::move(name), "", std::move(summary));
}

Flag TextFlag(std::string name, std::string value, std::string summary) {
  return Make(Flag::Kind::kText, std::move(name), std::move(value), std::move(summary));
}

Flag ChoiceFlag(std::string name, std::string value, std::string summary,
                std::vector<std::string> choices) {
  Flag flag = TextFlag(std::move(name), std::move(value), std::move(summary));
  flag.choices = std::move(choices);
  flag.only_choices = true;
  return flag;
}

Flag IntegerFlag(std::string name, std::string value, std::string summary, IntegerRange range) {
  Flag flag = Make(Flag::Kind::kInteger, std::move(name), std::move(value), std::move(summary));
  flag.min = static_cast<double>(range.min);
  flag.max = static_cast<double>(range.max);
  return flag;
}

Flag NumberFlag(std::string name, std::string value, std::string summary, NumberRange range) {
  Flag flag = Make(Flag::Kind::kNumber, std::move(name), std::move(value), std::move(summary));
  flag.min = range.min;
  flag.max = range.max;
  return flag;
}

Flag OutputFlag(std::string name, std::string summary) {
  Flag flag = TextFlag(std::move(name), "FILE", std::move(summary));
  flag.writes_file = true;
  return flag;
}

std::optional<std::string> WrongValue(const Flag& flag, const std::string& value) {
  double number = 0;
  switch (flag.kind) {
    case Flag::Kind::kSwitch:
      return std::nullopt;
    case Flag::Kind::kText:
      if (flag.writes_file) return WrongOutput(value);
      return flag.only_choices ? WrongChoice(flag, value) : std::nullopt;
    case Flag::Kind::kInteger: {
      int64_t integer = 0;
      if (!absl::SimpleAtoi(value, &integer)) {
        return absl::StrCat("'", value, "' is not a whole number ", RangeText(flag));
      }
      number = static_cast<double>(integer);
      break;
    }
    case Flag::Kind::kNumber:
      if (!absl::SimpleAtod(value, &number) || !std::isfinite(number)) {
        return absl::StrCat("'", value, "' is not a number ", RangeText(flag));
      }
  }
  if (number >= flag.min && number <= flag.max) return std::nullopt;
  return absl::StrCat(value, " is out of range, must be ", RangeText(flag));
}

std::string TextOf(const Flag::Condition& condition) {
  if (!condition.operand.empty()) return condition.operand;
  std::string text = "--" + condition.flag;
  for (size_t i = 0; i < condition.values.size(); ++i) {
    absl::StrAppend(&text, i == 0 ? " " : " or ", condition.values[i]);
  }
  return text;
}

}  // namespace waferline::cli
