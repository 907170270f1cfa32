// The emulated hardware changes: who stood on it begins anew elsewhere.
#include "absl/strings/str_cat.h"
#include "scheduler/engine/engine_state.h"
#include "wafer_backend/base/field_error.h"

namespace waferline::engine {

namespace {
bool OfWorker(Fault::Kind kind) {
  return kind == Fault::Kind::kWorkerLost || kind == Fault::Kind::kWorkerBack ||
         kind == Fault::Kind::kWorkerSpeed;
}
constexpr double kMostFactor = 1e6;
}  // namespace

absl::Status EngineState::Check(const Fault& fault) const {
  if (fault.lane >= lanes_.size()) {
    return absl::InvalidArgumentError(absl::StrCat("there is no model number ", fault.lane));
  }
  const Lane& lane = lanes_[fault.lane];
  const bool of_worker = OfWorker(fault.kind);
  const std::vector<uint32_t>& devices = of_worker ? lane.workers : lane.units;
  if (fault.index >= devices.size()) {
    return WithField(absl::InvalidArgumentError(absl::StrCat(
                         "model \"", lane.spec.model, "\" has ", devices.size(),
                         of_worker ? " workers" : " units", ", there is no number ", fault.index)),
                     "index");
  }
  const bool slows = fault.kind == Fault::Kind::kWorkerSpeed ||
                     fault.kind == Fault::Kind::kUnitSpeed ||
                     fault.kind == Fault::Kind::kStageSpeed;
  if (slows && !(fault.factor > 0 && fault.factor < kMostFactor)) {
    return WithField(absl::InvalidArgumentError("a slowdown lies above 0 and below 1e6"), "factor");
  }
  if (fault.kind == Fault::Kind::kStageSpeed) {
    const DecodeUnitSpec& unit = units_[devices[fault.index]].spec;
    const auto stages =
        static_cast<uint32_t>(unit.pipeline != nullptr ? unit.pipeline->stage_count() : 0);
    if (fault.stage >= stages) {
      return WithField(
          absl::InvalidArgumentError(absl::StrCat("unit \"", unit.name, "\" has ", stages,
                                                  " stages, there is no number ", fault.stage)),
          "stage");
    }
  }
  if (fault.kind == Fault::Kind::kLinkSpeed) {
    if (units_[devices[fault.index]].spec.link == nullptr) {
      return WithField(absl::InvalidArgumentError(absl::StrCat(
                           "unit \"", units_[devices[fault.index]].spec.name, "\" has no link")),
                       "index");
    }
    if (!(fault.factor >= 0 && fault.factor < kMostFactor)) {
      return WithField(absl::InvalidArgumentError("a link's speed lies from 0 to 1e6"), "factor");
    }
  }
  return absl::OkStatus();
}

absl::Status EngineState::Apply(const Fault& fault) {
  if (absl::Status s = Check(fault); !s.ok()) return s;
  Lane& lane = lanes_[fault.lane];
  const std::vector<uint32_t>& devices = OfWorker(fault.kind) ? lane.workers : lane.units;
  const uint32_t index = devices[fault.index];
  lane.dirty = any_dirty_ = true;
  switch (fault.kind) {
    case Fault::Kind::kWorkerLost: {
      Worker& worker = workers_[index];
      if (!worker.alive) return absl::OkStatus();
      worker.alive = false;
      worker.stepping = false;
      ++worker.step_generation;
      for (uint32_t slot = 0; slot < hot_.size(); ++slot) {
        const auto* prefilling = std::get_if<Prefilling>(&sequences_[slot].stage);
        const auto* prefilled = std::get_if<Prefilled>(&sequences_[slot].stage);
        if ((prefilling != nullptr && prefilling->worker == index) ||
            (prefilled != nullptr && prefilled->worker == index)) {
          Restart(slot, RestartCause::kWorkerLost);
        }
      }
      worker.step.clear();
      worker.active.clear();
      worker.pending_tokens = 0;
      if (worker.cache) worker.cache->Clear();
      return absl::OkStatus();
    }
    case Fault::Kind::kWorkerBack:
      workers_[index].alive = true;
      return absl::OkStatus();
    case Fault::Kind::kWorkerSpeed:
      workers_[index].slowdown = fault.factor;
      return absl::OkStatus();
    case Fault::Kind::kUnitLost: {
      Unit& unit = units_[index];
      if (!unit.alive) return absl::OkStatus();
      unit.alive = false;
      unit.stepping = false;
      ++unit.step_generation;
      for (uint32_t slot = 0; slot < hot_.size(); ++slot) {
        const Room* room = RoomOf(sequences_[slot].stage);
        if (room != nullptr && room->unit == index) Restart(slot, RestartCause::kUnitLost);
      }
      unit.members.clear();
      if (unit.cache) unit.cache->Clear();
      return absl::OkStatus();
    }
    case Fault::Kind::kUnitBack:
      units_[index].alive = true;
      return absl::OkStatus();
    case Fault::Kind::kUnitSpeed:
      if (units_[index].spec.pipeline != nullptr) {
        units_[index].spec.pipeline->SetSlowdown(fault.factor);
      } else {
        units_[index].spec.batch->SetSlowdown(fault.factor);
      }
      return absl::OkStatus();
    case Fault::Kind::kStageSpeed:
      units_[index].spec.pipeline->SetStageSlowdown(static_cast<int>(fault.stage), fault.factor);
      return absl::OkStatus();
    case Fault::Kind::kLinkSpeed:
      units_[index].spec.link->SetSpeed(fault.factor);
      if (fault.factor > 0) SetReachable(units_[index].spec.link, true);
      return absl::OkStatus();
  }
  return absl::InvalidArgumentError("no such fault");
}

}  // namespace waferline::engine
