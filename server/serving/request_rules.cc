#include "server/serving/request_rules.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/serving/limits.h"

namespace waferline::serving {

bool IsRequestId(std::string_view id) {
  return !id.empty() && id.size() <= kMaxRequestIdBytes &&
         std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c <= '~'; });
}

std::string RequestIdSource::IdFor(std::string_view given) {
  if (IsRequestId(given)) return std::string(given);
  const uint64_t id = ids_.At(next_id_.fetch_add(1, std::memory_order_relaxed));
  return absl::StrCat(absl::Hex(id, absl::kZeroPad16));
}

bool TextMayFit(size_t bytes, const text::ServedModel& model) {
  return static_cast<int64_t>(bytes) <= model.context_tokens.count() * kMaxTokenBytes;
}

absl::Status StatusOf(const Outcome& outcome) {
  if (!outcome.status.ok()) return outcome.status;
  switch (outcome.reason) {
    case FinishReason::kStop:
    case FinishReason::kLength:
      return absl::OkStatus();
    case FinishReason::kCancelled:
      return absl::CancelledError("the request was cancelled");
    case FinishReason::kDeadline:
      return absl::DeadlineExceededError(
          "the request's deadline passed before its answer was complete");
    case FinishReason::kFailed:
      break;
  }
  return absl::InternalError("the request failed");
}

}  // namespace waferline::serving
