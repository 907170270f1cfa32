// The emulated hardware changes: sequences that hold a lost device's resources are restarted on
// another.
#include "absl/strings/str_cat.h"
#include "scheduler/engine/engine_impl.h"
#include "wafer_backend/base/field_error.h"
#include "wafer_backend/base/strings.h"

namespace waferline::engine {
namespace {

using FaultKind = Fault::Kind;

constexpr double kMaxFactor = 1e6;  // exclusive

bool OfWorker(FaultKind kind) {
  return kind == FaultKind::kWorkerLost || kind == FaultKind::kWorkerBack ||
         kind == FaultKind::kWorkerSpeed;
}

absl::Status OutOfRange(std::string_view what, uint64_t index, uint64_t size) {
  return absl::InvalidArgumentError(
      absl::StrCat(Absl(what), " index ", index, " out of range [0, ", size, ")"));
}

absl::Status CheckFactor(const Fault& fault) {
  const bool link = fault.kind == FaultKind::kLinkSpeed;
  if (!link && !NeedsFactor(fault.kind)) return absl::OkStatus();
  const bool low = link ? fault.factor >= 0 : fault.factor > 0;
  if (low && fault.factor < kMaxFactor) return absl::OkStatus();
  return WithField(absl::InvalidArgumentError(absl::StrCat(link ? "a link's speed" : "a slowdown",
                                                           " of ", fault.factor, " is outside ",
                                                           link ? "[0, 1e6)" : "(0, 1e6)")),
                   "factor");
}

absl::Status CheckUnitFault(const Fault& fault, const DecodeUnitSpec& unit) {
  if (fault.kind == FaultKind::kStageSpeed) {
    const std::string name = absl::StrCat("unit \"", unit.name, "\"");
    if (unit.pipeline == nullptr) {
      return WithField(absl::InvalidArgumentError(name + " is a batch device and has no stages"),
                       "stage");
    }
    const int stages = unit.pipeline->stage_count();
    if (fault.stage >= static_cast<uint32_t>(stages)) {
      return WithField(OutOfRange(name + ": stage", fault.stage, static_cast<uint64_t>(stages)),
                       "stage");
    }
  }
  if (SideOf(fault.kind).has_value() && (unit.batch == nullptr || unit.batch->sides() == nullptr)) {
    return WithField(
        absl::InvalidArgumentError(absl::StrCat(
            "unit \"", unit.name, "\" is not split: attention and feed-forward are not apart")),
        "index");
  }
  if (fault.kind == FaultKind::kLinkSpeed && unit.link == nullptr) {
    return WithField(
        absl::InvalidArgumentError(absl::StrCat("unit \"", unit.name, "\" has no link")), "index");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status EngineImpl::Check(const Fault& fault) const {
  const LaneIndex lane = fault.lane;
  if (!context_.lanes.contains(lane)) return OutOfRange("model", lane.value, context_.lanes.size());
  const bool worker = OfWorker(fault.kind);
  const size_t devices = worker ? prefill_.size(lane) : decode_.size(lane);
  if (fault.index.value >= devices) {
    return WithField(OutOfRange(absl::StrCat("model \"", context_.lanes[lane].model,
                                             "\": ", worker ? "worker" : "unit"),
                                fault.index.value, devices),
                     "index");
  }
  if (absl::Status s = CheckFactor(fault); !s.ok()) return s;
  if (worker) return absl::OkStatus();
  return CheckUnitFault(fault, decode_.spec(decode_.At(lane, fault.index)));
}

absl::Status EngineImpl::Apply(const Fault& fault) {
  if (absl::Status s = Check(fault); !s.ok()) return s;
  context_.dirty.Mark(fault.lane);
  if (OfWorker(fault.kind)) {
    ApplyToWorker(fault, prefill_.At(fault.lane, fault.index));
  } else {
    ApplyToUnit(fault, decode_.At(fault.lane, fault.index));
  }
  return absl::OkStatus();
}

void EngineImpl::ApplyToWorker(const Fault& fault, WorkerIndex worker) {
  if (fault.kind == FaultKind::kWorkerLost) return LoseWorker(worker);
  if (fault.kind == FaultKind::kWorkerBack) return prefill_.Restore(worker);
  prefill_.SetSlowdown(worker, fault.factor);
}

void EngineImpl::ApplyToUnit(const Fault& fault, UnitIndex unit) {
  switch (fault.kind) {
    case FaultKind::kUnitLost:
      return LoseUnit(unit);
    case FaultKind::kUnitBack:
      return decode_.Restore(unit);
    case FaultKind::kUnitSpeed:
      return decode_.SetSlowdown(unit, fault.factor);
    case FaultKind::kStageSpeed:
      return decode_.SetStageSlowdown(unit, fault.stage, fault.factor);
    case FaultKind::kLinkSpeed:
      decode_.SetLinkSpeed(unit, fault.factor);
      if (fault.factor > 0) handoffs_.SetReachable(decode_.spec(unit).link, true);
      return;
    case FaultKind::kAttentionSide:
    case FaultKind::kFfnSide:
    case FaultKind::kSideLink:
      return decode_.SetSideSlowdown(unit, *SideOf(fault.kind), fault.factor);
    case FaultKind::kWorkerLost:
    case FaultKind::kWorkerBack:
    case FaultKind::kWorkerSpeed:
      return;  // ApplyToWorker's
  }
}

void EngineImpl::LoseWorker(WorkerIndex worker) {
  if (!prefill_.alive(worker)) return;
  prefill_.Lose(worker);
  sequences().ForEach([&](SlotIndex slot) {
    if (WorkerOf(sequences()[slot].stage) == worker) Restart(slot, RestartCause::kWorkerLost);
  });
}

void EngineImpl::LoseUnit(UnitIndex unit) {
  if (!decode_.alive(unit)) return;
  decode_.Lose(unit);
  sequences().ForEach([&](SlotIndex slot) {
    const Room* room = RoomOf(sequences()[slot].stage);
    if (room != nullptr && room->unit == unit) Restart(slot, RestartCause::kUnitLost);
  });
}

}  // namespace waferline::engine
