#include "scheduler/fleet/fault_script.h"

#include "wafer_backend/base/check.h"
#include "wafer_backend/base/status.h"

namespace waferline::fleet {
namespace {
constexpr size_t kMaxAhead = 1024;
}  // namespace

absl::Status FaultScript::Start(const std::vector<TimedChange>& changes, engine::Engine* engine) {
  for (const TimedChange& change : changes) WL_RETURN_IF_ERROR(engine->Check(change.fault));
  if (ahead_.size() + changes.size() > kMaxAhead) {
    return absl::ResourceExhaustedError("too many changes of the hardware lie ahead");
  }
  for (const TimedChange& change : changes) {
    if (change.after == Nanoseconds()) {
      WL_RETURN_IF_ERROR(engine->Apply(change.fault));
      continue;
    }
    ahead_[++last_] = {change.fault, engine};
    timeline_->Schedule(timeline_->now() + change.after, Priority::kFault, this, last_);
  }
  return absl::OkStatus();
}

void FaultScript::OnEvent(uint64_t payload) {
  const auto it = ahead_.find(payload);
  const Ahead ahead = it->second;
  ahead_.erase(it);
  WL_CHECK(ahead.engine->Apply(ahead.fault).ok());  // was checked at the start
}

}  // namespace waferline::fleet
