// The rest of a command line, checked against its command's flags. A value; any thread. Asking for
// a flag that the command does not declare is a bug of ours and fails a check.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/frame/command.h"

namespace waferline::cli {

class Arguments {
 public:
  // `words` is what follows the command's own words: --flag VALUE, --flag=VALUE, operands, and
  // after `--` operands only. A usage error names the flag, what it wants, and the nearest known
  // flag for an unknown one.
  static absl::StatusOr<Arguments> Parse(const Command& command,
                                         std::span<const std::string> words);

  // Was the flag given?
  bool Has(std::string_view flag) const;
  // A switch.
  bool On(std::string_view flag) const;
  // The last value given, else the fallback; the flag must have one of them.
  const std::string& Text(std::string_view flag) const;
  int64_t Integer(std::string_view flag) const;
  double Number(std::string_view flag) const;
  // Every value given, in order; without any, the fallback if there is one.
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

  std::map<std::string, Given, std::less<>> flags_;
  std::vector<std::string> operands_;
};

// Of `known`, the one that was probably meant by `word`; empty if none is near.
std::string Nearest(std::string_view word, std::span<const std::string> known);

}  // namespace waferline::cli
