#include "server/rpc/admin_service.h"

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/rpc/authentication.h"
#include "server/rpc/awaited.h"
#include "server/rpc/rpc_status.h"
#include "wafer_backend/base/field_error.h"
#include "wafer_backend/base/status.h"

namespace waferline::rpc {
namespace {

// The engine answers between two events; one that takes longer hangs.
template <typename Answer, typename Ask>
Answer Await(const Ask& ask) {
  return Awaited<Answer>(ask, std::chrono::seconds(5), "the engine has not answered within 5 s");
}

// "unit_slow" of FAULT_KIND_UNIT_SLOW; a number that names no kind stays a number.
std::string NameOf(v1::FaultKind kind) {
  constexpr std::string_view kPrefix = "FAULT_KIND_";
  if (kind == v1::FAULT_KIND_UNSPECIFIED) return "";
  const std::string& name = v1::FaultKind_Name(kind);
  if (!name.starts_with(kPrefix)) return absl::StrCat(static_cast<int>(kind));
  return absl::AsciiStrToLower(name.substr(kPrefix.size()));
}

admin::FaultOrder ReadFault(const v1::Fault& fault) {
  admin::FaultOrder order{.model = fault.model(),
                          .fault = {.kind = NameOf(fault.kind()), .index = fault.index()}};
  fleet::FaultRequest& request = order.fault;
  if (fault.has_factor()) request.factor = fault.factor();
  if (fault.has_stage()) request.stage = fault.stage();
  if (fault.has_place()) request.place = fault.place();
  if (fault.has_column()) request.column = fault.column();
  if (fault.has_row()) request.row = fault.row();
  if (fault.has_links()) request.links = fault.links();
  if (fault.has_spare_wafers()) request.spare_wafers = fault.spare_wafers();
  if (fault.has_watts()) request.watts = fault.watts();
  if (fault.has_clock_share()) request.clock_share = fault.clock_share();
  return order;
}

// Names an error's field as this service's message does: the kind is Fault.kind.
absl::Status WithMessageField(const absl::Status& status) {
  const std::string field = FieldOf(status);
  if (field.empty()) return status;
  return WithField(status, absl::StrCat("fault.", field == "fault" ? "kind" : field));
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
    response->set_accepted(load.accepted);
    response->set_finished(load.finished);
    response->set_refused(load.refused);
    response->set_schedule_digest(load.schedule_digest);
    response->set_emulated_now_ns(load.emulated_now.count());
    for (const admin::ModelLoad& one : load.models) {
      v1::ModelLoad* model = response->add_models();
      model->set_model(one.model);
      model->set_waiting(one.waiting);
      model->set_running(one.running);
      model->set_kv_usage(one.kv_usage);
    }
    return absl::OkStatus();
  });
}

grpc::Status AdminService::AbortRequest(grpc::ServerContext* context,
                                        const v1::AbortRequestRequest* request,
                                        v1::AbortRequestResponse* response) {
  return Do(context, [&]() -> absl::Status {
    WL_ASSIGN_OR_RETURN(const uint32_t aborted,
                        Await<absl::StatusOr<uint32_t>>([this, request](auto done) {
                          port_->Abort({request->request_id(), request->tenant()}, std::move(done));
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

grpc::Status AdminService::Resume(grpc::ServerContext* context, const v1::ResumeRequest*,
                                  v1::ResumeResponse* response) {
  return Do(context, [&]() -> absl::Status {
    WL_ASSIGN_OR_RETURN(
        const uint64_t in_flight,
        Await<absl::StatusOr<uint64_t>>([this](auto done) { port_->Resume(std::move(done)); }));
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
  return Do(context, [&] {
    const admin::FaultOrder order = ReadFault(request->fault());
    return WithMessageField(Await<absl::Status>(
        [this, &order](auto done) { port_->ApplyFault(order, std::move(done)); }));
  });
}

}  // namespace waferline::rpc
