#include "scheduler/fleet/fault_script.h"

#include <algorithm>

#include "wafer_backend/base/check.h"
#include "wafer_backend/base/status.h"

namespace waferline::fleet {
namespace {
constexpr size_t kMaxAhead = 1024;

// What a fault sets of its device: a later value takes an earlier one's place.
int SettingOf(engine::Fault::Kind kind) {
  using Kind = engine::Fault::Kind;
  switch (kind) {
    case Kind::kWorkerLost:
    case Kind::kWorkerBack:
      return 0;
    case Kind::kWorkerSpeed:
      return 1;
    case Kind::kUnitLost:
    case Kind::kUnitBack:
      return 2;
    case Kind::kUnitSpeed:
      return 3;
    case Kind::kStageSpeed:
      return 4;
    case Kind::kLinkSpeed:
      return 5;
    case engine::Fault::Kind::kAttentionSide:
      return 6;
    case engine::Fault::Kind::kFfnSide:
      return 7;
    case engine::Fault::Kind::kSideLink:
      return 8;
  }
  return -1;
}

bool SetTheSame(const engine::Fault& a, const engine::Fault& b) {
  return a.lane == b.lane && a.index == b.index && a.stage == b.stage &&
         SettingOf(a.kind) == SettingOf(b.kind);
}

bool Repairs(const std::vector<TimedChange>& changes) {
  return !changes.empty() && changes.back().after > Nanoseconds() &&
         changes.back().fault.kind == engine::Fault::Kind::kUnitBack;
}

}  // namespace

absl::Status FaultScript::Start(const std::vector<TimedChange>& changes, engine::Engine* engine) {
  for (const TimedChange& change : changes) WL_RETURN_IF_ERROR(engine->Check(change.fault));
  if (ahead_.size() + changes.size() > kMaxAhead) {
    return absl::ResourceExhaustedError("too many changes of the hardware lie ahead");
  }
  const Nanoseconds due = Replace(changes);
  const Nanoseconds not_before = Repairs(changes) ? due : Nanoseconds();
  for (const TimedChange& change : changes) {
    if (change.after == Nanoseconds()) {
      WL_RETURN_IF_ERROR(engine->Apply(change.fault));
      continue;
    }
    const Nanoseconds at = std::max(timeline_->now() + change.after, not_before);
    ahead_[++last_] = {change.fault, engine, at};
    timeline_->Schedule(at, Priority::kFault, this, last_);
  }
  return absl::OkStatus();
}

Nanoseconds FaultScript::Replace(const std::vector<TimedChange>& changes) {
  Nanoseconds due;
  for (auto& [number, ahead] : ahead_) {
    const engine::Fault& fault = ahead.fault;
    if (ahead.engine == nullptr ||
        std::none_of(changes.begin(), changes.end(),
                     [&](const TimedChange& change) { return SetTheSame(change.fault, fault); })) {
      continue;
    }
    if (fault.kind == engine::Fault::Kind::kUnitBack) due = std::max(due, ahead.at);
    ahead.engine = nullptr;
  }
  return due;
}

void FaultScript::OnEvent(uint64_t payload) {
  const auto it = ahead_.find(payload);
  const Ahead ahead = it->second;
  ahead_.erase(it);
  if (ahead.engine == nullptr) return;
  WL_CHECK(ahead.engine->Apply(ahead.fault).ok());  // was checked at the start
}

}  // namespace waferline::fleet
