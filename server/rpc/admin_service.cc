#include "server/rpc/admin_service.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <future>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "scheduler/engine/fault.h"
#include "server/rpc/authentication.h"
#include "server/rpc/rpc_status.h"
#include "wafer_backend/base/field_error.h"
#include "wafer_backend/base/status.h"

namespace waferline::rpc {
namespace {

// An engine that does not answer an order for so long hangs.
constexpr auto kPatience = std::chrono::seconds(5);

// Waits for what `ask` is told. The answer is shared: it may come after the wait was given up.
template <typename Answer, typename Ask>
Answer Await(const Ask& ask) {
  auto answer = std::make_shared<std::promise<Answer>>();
  std::future<Answer> coming = answer->get_future();
  ask([answer](Answer given) { answer->set_value(std::move(given)); });
  if (coming.wait_for(kPatience) != std::future_status::ready) {
    return absl::UnavailableError("the engine does not answer");
  }
  return coming.get();
}

constexpr struct {
  v1::FaultKind said;
  engine::Fault::Kind kind;
} kKinds[] = {
    {v1::FAULT_KIND_WORKER_LOST, engine::Fault::Kind::kWorkerLost},
    {v1::FAULT_KIND_WORKER_BACK, engine::Fault::Kind::kWorkerBack},
    {v1::FAULT_KIND_WORKER_SPEED, engine::Fault::Kind::kWorkerSpeed},
    {v1::FAULT_KIND_UNIT_LOST, engine::Fault::Kind::kUnitLost},
    {v1::FAULT_KIND_UNIT_BACK, engine::Fault::Kind::kUnitBack},
    {v1::FAULT_KIND_UNIT_SPEED, engine::Fault::Kind::kUnitSpeed},
    {v1::FAULT_KIND_STAGE_SPEED, engine::Fault::Kind::kStageSpeed},
    {v1::FAULT_KIND_LINK_SPEED, engine::Fault::Kind::kLinkSpeed},
};

// Of a fault that says nothing without the field, and of none else.
absl::Status CheckField(const char* field, bool given, bool needed) {
  if (given == needed) return absl::OkStatus();
  return FieldError(field, given ? "has no meaning for this kind" : "is needed for this kind");
}

absl::StatusOr<admin::FaultOrder> ReadFault(const v1::Fault& fault) {
  admin::FaultOrder order{.model = fault.model(), .index = fault.index()};
  const auto* known = std::find_if(std::begin(kKinds), std::end(kKinds),
                                   [&](const auto& one) { return one.said == fault.kind(); });
  const bool scheduled = known != std::end(kKinds);
  WL_RETURN_IF_ERROR(CheckField("fault.factor", fault.has_factor(),
                                scheduled && engine::NeedsFactor(known->kind)));
  WL_RETURN_IF_ERROR(
      CheckField("fault.stage", fault.has_stage(), scheduled && engine::NeedsStage(known->kind)));
  if (scheduled) {
    order.kind = known->kind;
    order.stage = fault.stage();
    if (fault.has_factor()) order.factor = fault.factor();
    if (!(std::isfinite(order.factor) && order.factor >= 0)) {
      return FieldError("fault.factor", "must be a finite number, 0 or more");
    }
    return order;
  }
  // FAULT_KIND_CORE and what follows stand in the order of the names.
  const int of_hardware = static_cast<int>(fault.kind()) - v1::FAULT_KIND_CORE;
  if (of_hardware < 0 || of_hardware >= static_cast<int>(std::size(admin::kHardwareFaultNames))) {
    return FieldError("fault.kind", "must be one of FAULT_KIND_WORKER_LOST ... THERMAL");
  }
  order.hardware = {.name = std::string(admin::kHardwareFaultNames[of_hardware]),
                    .place = fault.place(),
                    .links = fault.has_links() ? fault.links() : 1,
                    .watts = fault.watts(),
                    .clock_share = fault.clock_share(),
                    .spare_wafers = fault.has_spare_wafers() ? fault.spare_wafers() : 1};
  return order;
}

void Describe(const engine::LaneSnapshot& lane, v1::ModelLoad* model) {
  model->set_model(lane.model);
  model->set_waiting(lane.waiting_total());
  model->set_running(lane.prefilling + lane.transferring + lane.decoding);
  model->set_kv_usage(lane.kv_usage());
}

}  // namespace

grpc::Status AdminService::Do(grpc::ServerContext* context,
                              const std::function<absl::Status()>& work) const {
  const absl::Status allowed = AuthorizeAdmin(*context, deps_);
  return ToGrpcStatus(allowed.ok() ? work() : allowed);
}

grpc::Status AdminService::GetServerInfo(grpc::ServerContext* context,
                                         const v1::GetServerInfoRequest*,
                                         v1::GetServerInfoResponse* response) {
  return Do(context, [&] {
    const admin::ServerFacts facts = port_->Facts();
    response->set_version(facts.version);
    response->set_clock(facts.stepped ? v1::CLOCK_KIND_STEPPED : v1::CLOCK_KIND_REAL);
    response->set_speed(facts.speed);
    for (const std::string& model : facts.models) response->add_models(model);
    return absl::OkStatus();
  });
}

grpc::Status AdminService::GetLoad(grpc::ServerContext* context, const v1::GetLoadRequest*,
                                   v1::GetLoadResponse* response) {
  return Do(context, [&]() -> absl::Status {
    WL_ASSIGN_OR_RETURN(
        const admin::Load load,
        Await<absl::StatusOr<admin::Load>>([this](auto done) { port_->GetLoad(std::move(done)); }));
    response->set_state(load.draining ? v1::SERVER_STATE_DRAINING : v1::SERVER_STATE_READY);
    response->set_accepted(load.engine.accepted);
    response->set_finished(load.engine.finished);
    response->set_refused(load.engine.refused);
    response->set_schedule_digest(engine::DigestText(load.engine.digest));
    response->set_emulated_now_ns(load.engine.now.count());
    for (const engine::LaneSnapshot& lane : load.engine.lanes) {
      Describe(lane, response->add_models());
    }
    return absl::OkStatus();
  });
}

grpc::Status AdminService::AbortRequest(grpc::ServerContext* context,
                                        const v1::AbortRequestRequest* request,
                                        v1::AbortRequestResponse* response) {
  return Do(context, [&]() -> absl::Status {
    if (request->request_id().empty()) return FieldError("request_id", "is missing");
    WL_ASSIGN_OR_RETURN(const uint32_t aborted,
                        Await<absl::StatusOr<uint32_t>>([this, request](auto done) {
                          port_->Abort(request->request_id(), std::move(done));
                        }));
    response->set_aborted(aborted);
    return absl::OkStatus();
  });
}

grpc::Status AdminService::Drain(grpc::ServerContext* context, const v1::DrainRequest*,
                                 v1::DrainResponse* response) {
  return Do(context, [&]() -> absl::Status {
    WL_ASSIGN_OR_RETURN(
        const uint64_t in_flight,
        Await<absl::StatusOr<uint64_t>>([this](auto done) { port_->Drain(std::move(done)); }));
    response->set_in_flight(static_cast<uint32_t>(in_flight));
    return absl::OkStatus();
  });
}

grpc::Status AdminService::ResetPrefixCache(grpc::ServerContext* context,
                                            const v1::ResetPrefixCacheRequest*,
                                            v1::ResetPrefixCacheResponse*) {
  return Do(context, [&] {
    return Await<absl::Status>([this](auto done) { port_->ResetPrefixCaches(std::move(done)); });
  });
}

grpc::Status AdminService::ApplyFault(grpc::ServerContext* context,
                                      const v1::ApplyFaultRequest* request,
                                      v1::ApplyFaultResponse*) {
  return Do(context, [&]() -> absl::Status {
    WL_ASSIGN_OR_RETURN(const admin::FaultOrder order, ReadFault(request->fault()));
    const absl::Status status = Await<absl::Status>(
        [this, &order](auto done) { port_->ApplyFault(order, std::move(done)); });
    const std::string field = FieldOf(status);
    return field.empty() ? status : WithField(status, absl::StrCat("fault.", field));
  });
}

}  // namespace waferline::rpc
