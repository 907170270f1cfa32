#include "wafer_backend/base/retry_hint.h"

#include <cstdint>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace waferline {
namespace {
constexpr char kRetryAfterPayload[] = "waferline/retry_after_ns";
}  // namespace

absl::Status WithRetryAfter(absl::Status status, Nanoseconds after) {
  status.SetPayload(kRetryAfterPayload, absl::Cord(absl::StrCat(after.count())));
  return status;
}

std::optional<Nanoseconds> RetryAfterOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kRetryAfterPayload);
  int64_t ns = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &ns)) return std::nullopt;
  return Nanoseconds(ns);
}

}  // namespace waferline
