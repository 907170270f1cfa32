#include "wafer_backend/base/command_line/command.h"

#include "absl/strings/cord.h"
#include "wafer_backend/base/strings.h"

namespace waferline::cli {
namespace {
constexpr char kUsagePayload[] = "waferline/usage";
}

absl::Status UsageError(std::string_view message) {
  absl::Status status = absl::InvalidArgumentError(Absl(message));
  status.SetPayload(kUsagePayload, absl::Cord());
  return status;
}

bool IsUsageError(const absl::Status& status) {
  return status.GetPayload(kUsagePayload).has_value();
}

std::vector<const Command*> CommandsOf(const Program& program) {
  std::vector<const Command*> commands;
  for (const Group& group : program.groups) {
    for (const Command& command : group.commands) commands.push_back(&command);
  }
  return commands;
}

}  // namespace waferline::cli
