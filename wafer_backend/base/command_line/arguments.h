// The words after a command, checked against the command's flags. A value; any thread. Asking for a
// flag that the command does not declare is a bug of ours and fails a check.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/base/command_line/command.h"

namespace waferline::cli {

class Arguments {
 public:
  // `words` is what follows the command's own words: --flag VALUE, --flag=VALUE, operands, and
  // after `--` operands only. A usage error names the flag, what is allowed, and the nearest known
  // flag for an unknown one. Refused too: a flag whose condition does not hold, a required one
  // that is missing, a second value for one that is not repeatable.
  static absl::StatusOr<Arguments> Parse(const Command& command,
                                         std::span<const std::string> words);

  // Was the flag given?
  bool Has(std::string_view flag) const;
  // A switch.
  bool On(std::string_view flag) const;
  // The value given, else the default; the flag must have one of them. Of a repeatable flag the
  // first value.
  const std::string& Text(std::string_view flag) const;
  int64_t Integer(std::string_view flag) const;
  double Number(std::string_view flag) const;
  // Every value given, in order; without any, the default if there is one. Of a repeatable flag.
  std::vector<std::string> Texts(std::string_view flag) const;

  // As many as the command's operands call for.
  const std::vector<std::string>& operands() const { return operands_; }
  const std::string& operand(size_t i) const { return operands_.at(i); }

  bool json() const { return On("json"); }

 private:
  struct Given {
    Flag flag;
    std::vector<std::string> values;
    bool present = false;
  };
  const Given& Find(std::string_view flag) const;
  absl::Status ReadWords(const Command& command, std::span<const std::string> words);
  absl::Status TakeOperands(const Command& command, const std::vector<std::string>& rest);
  absl::Status CheckFlags(const Command& command) const;
  bool Holds(const Command& command, const Flag::Condition& condition) const;

  std::map<std::string, Given, std::less<>> flags_;
  std::vector<std::string> operands_;
};

}  // namespace waferline::cli
