#include "client/cli/frame/command.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/strings.h"

namespace waferline::cli {
namespace {
constexpr char kUsagePayload[] = "waferctl/usage";
}

Flag Switch(std::string name, std::string summary) {
  return {.name = std::move(name), .kind = Flag::Kind::kSwitch, .summary = std::move(summary)};
}

Flag TextFlag(std::string name, std::string value, std::string summary,
              std::optional<std::string> fallback) {
  return {.name = std::move(name),
          .kind = Flag::Kind::kText,
          .value = std::move(value),
          .summary = std::move(summary),
          .fallback = std::move(fallback)};
}

Flag IntegerFlag(std::string name, std::string value, std::string summary,
                 std::optional<int64_t> fallback, int64_t least, int64_t most) {
  Flag flag = TextFlag(std::move(name), std::move(value), std::move(summary));
  flag.kind = Flag::Kind::kInteger;
  if (fallback) flag.fallback = absl::StrCat(*fallback);
  flag.least = static_cast<double>(least);
  flag.most = static_cast<double>(most);
  return flag;
}

Flag NumberFlag(std::string name, std::string value, std::string summary,
                std::optional<double> fallback, double least, double most) {
  Flag flag = TextFlag(std::move(name), std::move(value), std::move(summary));
  flag.kind = Flag::Kind::kNumber;
  if (fallback) flag.fallback = absl::StrCat(*fallback);
  flag.least = least;
  flag.most = most;
  return flag;
}

absl::Status UsageError(std::string_view message) {
  absl::Status status = absl::InvalidArgumentError(Absl(message));
  status.SetPayload(kUsagePayload, absl::Cord());
  return status;
}

bool IsUsageError(const absl::Status& status) {
  return status.GetPayload(kUsagePayload).has_value();
}

}  // namespace waferline::cli
