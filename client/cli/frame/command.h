// What a command of waferctl is. Plain values; a group of commands is a function that returns them
// (`std::vector<Command> ModelCommands()`), and waferctl_main.cc lists the groups.
//
//   Command{.words = "model inspect",
//           .summary = "What a model file holds",
//           .operands = {"FILE"},
//           .flags = {IntegerFlag("layer", "N", "only this layer", 0, 0, 1000)},
//           .run = [](const Arguments& arguments) { return Inspect(arguments); }}
//
// Every command also has --json (one JSON document on stdout and nothing else there) and --help.
// Results go to stdout, progress and remarks to stderr. Exit codes: 0 done, 1 failed, 2 the command
// line is wrong.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace waferline::cli {

class Arguments;

struct Flag {
  enum class Kind : uint8_t { kSwitch, kText, kInteger, kNumber };
  std::string name;  // without dashes
  Kind kind = Kind::kSwitch;
  std::string value;  // how the help calls the value: "FILE"
  std::string summary;
  std::optional<std::string> fallback;  // what Arguments gives when the flag is absent
  double least = std::numeric_limits<double>::lowest();
  double most = std::numeric_limits<double>::max();
};

// --name: on or off.
Flag Switch(std::string name, std::string summary);
// --name VALUE. Without a fallback the flag is optional: ask Arguments::Has first. A flag may stand
// more than once if the command reads it with Arguments::Texts; the others take the last one.
Flag TextFlag(std::string name, std::string value, std::string summary,
              std::optional<std::string> fallback = std::nullopt);
// A whole number in [least, most]; checked before `run` is called.
Flag IntegerFlag(std::string name, std::string value, std::string summary,
                 std::optional<int64_t> fallback, int64_t least, int64_t most);
// A finite number in [least, most]; checked before `run` is called.
Flag NumberFlag(std::string name, std::string value, std::string summary,
                std::optional<double> fallback, double least, double most);

struct Command {
  std::string words;  // "model inspect": as typed
  std::string summary;
  // Names of what stands without dashes, in order; all are needed, except that a last one that ends
  // in "..." takes any number (also none), and one in brackets ("[FILE]") may be left out.
  std::vector<std::string> operands;
  std::vector<Flag> flags;
  // A status from UsageError exits with 2, any other error with 1; its message goes to stderr.
  std::function<absl::Status(const Arguments&)> run;
};

// The command line makes no sense; `message` names the flag and the way out.
absl::Status UsageError(std::string_view message);
bool IsUsageError(const absl::Status& status);

}  // namespace waferline::cli
