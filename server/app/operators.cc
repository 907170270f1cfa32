#include "server/app/operators.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"

namespace waferline::app {
namespace {

absl::Status Stopping() { return absl::UnavailableError("the server is stopping"); }

absl::StatusOr<engine::Fault::Kind> KindOf(v1::FaultKind kind) {
  using Kind = engine::Fault::Kind;
  switch (kind) {
    case v1::FAULT_KIND_WORKER_LOST:
      return Kind::kWorkerLost;
    case v1::FAULT_KIND_WORKER_BACK:
      return Kind::kWorkerBack;
    case v1::FAULT_KIND_WORKER_SPEED:
      return Kind::kWorkerSpeed;
    case v1::FAULT_KIND_UNIT_LOST:
      return Kind::kUnitLost;
    case v1::FAULT_KIND_UNIT_BACK:
      return Kind::kUnitBack;
    case v1::FAULT_KIND_UNIT_SPEED:
      return Kind::kUnitSpeed;
    case v1::FAULT_KIND_LINK_SPEED:
      return Kind::kLinkSpeed;
    default:
      return absl::InvalidArgumentError("fault.kind: is missing or unknown to this server");
  }
}

}  // namespace

absl::StatusOr<v1::GetServerInfoResponse> Operators::ServerInfo() {
  v1::GetServerInfoResponse info;
  info.set_version(WAFERLINE_VERSION);
  info.set_clock(config_->clock.stepped ? v1::CLOCK_KIND_STEPPED : v1::CLOCK_KIND_REAL);
  info.set_speed(config_->clock.stepped ? 0 : config_->clock.scale);
  for (const auto& model : cloud_->catalog().all()) info.add_models(model->name);
  return info;
}

absl::StatusOr<v1::GetLoadResponse> Operators::Load() {
  const engine::EngineSnapshot snapshot = cloud_->engine().Snapshot();
  v1::GetLoadResponse load;
  load.set_state(draining_ ? v1::SERVER_STATE_DRAINING : v1::SERVER_STATE_READY);
  load.set_accepted(snapshot.accepted);
  load.set_finished(snapshot.finished);
  load.set_refused(snapshot.refused);
  for (const engine::LaneSnapshot& lane : snapshot.lanes) {
    v1::ModelLoad* model = load.add_models();
    model->set_model(lane.model);
    model->set_waiting(lane.waiting_total());
    model->set_running(lane.prefilling + lane.transferring + lane.decoding);
    model->set_kv_usage(lane.kv_usage());
  }
  return load;
}

// Requests that came in over HTTP are ended by their clients' leaving: no other door knows ids.
uint32_t Operators::AbortElsewhere(const std::string&) { return 0; }

absl::StatusOr<uint32_t> Operators::Drain() {
  StartDraining();
  return static_cast<uint32_t>(cloud_->engine().Snapshot().in_flight);
}

void Operators::StartDraining() {
  draining_ = true;
  cloud_->engine().Drain();
}

absl::Status Operators::ResetPrefixCache() {
  const bool posted =
      cloud_->engine().Post([](engine::Engine& engine) { engine.ResetPrefixCaches(); });
  return posted ? absl::OkStatus() : Stopping();
}

absl::Status Operators::ApplyFault(const v1::Fault& fault) {
  const auto kind = KindOf(fault.kind());
  if (!kind.ok()) return kind.status();
  const int lane = cloud_->LaneOf(fault.model());
  if (lane < 0)
    return absl::InvalidArgumentError(
        absl::StrCat("fault.model: no model \"", fault.model(), "\" runs here"));
  const engine::Fault change{.kind = *kind,
                             .lane = static_cast<uint32_t>(lane),
                             .index = fault.index(),
                             .factor = fault.has_factor() ? fault.factor() : 1};
  struct Answer {
    absl::Notification done;
    absl::Status status = Stopping();
  };
  // Shared: the engine's thread may answer after this caller has been told that the server stops.
  auto answer = std::make_shared<Answer>();
  const bool posted = cloud_->engine().Post([answer, change](engine::Engine& engine) {
    answer->status = engine.Apply(change);
    answer->done.Notify();
  });
  if (!posted || !answer->done.WaitForNotificationWithTimeout(absl::Seconds(5))) return Stopping();
  return answer->status;
}

}  // namespace waferline::app
