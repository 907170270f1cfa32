#include "server/rpc/operator_service.h"

#include <cmath>

#include "server/rpc/gate.h"
#include "server/rpc/rpc_status.h"
#include "wafer_backend/base/status.h"

namespace waferline::rpc {
namespace {

absl::Status CheckFault(const v1::Fault& fault) {
  if (fault.kind() == v1::FAULT_KIND_UNSPECIFIED || !v1::FaultKind_IsValid(fault.kind())) {
    return FieldError("fault.kind", "must be one of FAULT_KIND_WORKER_LOST ... LINK_SPEED");
  }
  if (fault.has_factor() && !(std::isfinite(fault.factor()) && fault.factor() >= 0)) {
    return FieldError("fault.factor", "must be a finite number, 0 or more");
  }
  return absl::OkStatus();
}

}  // namespace

grpc::Status OperatorService::Do(grpc::ServerContext* context,
                                 const std::function<absl::Status()>& work) const {
  const absl::Status allowed = MayOperate(*context, keys_);
  return ToGrpcStatus(allowed.ok() ? work() : allowed);
}

grpc::Status OperatorService::GetServerInfo(grpc::ServerContext* context,
                                            const v1::GetServerInfoRequest*,
                                            v1::GetServerInfoResponse* response) {
  return Do(context, [&]() -> absl::Status {
    WL_ASSIGN_OR_RETURN(*response, port_->ServerInfo());
    return absl::OkStatus();
  });
}

grpc::Status OperatorService::GetLoad(grpc::ServerContext* context, const v1::GetLoadRequest*,
                                      v1::GetLoadResponse* response) {
  return Do(context, [&]() -> absl::Status {
    WL_ASSIGN_OR_RETURN(*response, port_->Load());
    return absl::OkStatus();
  });
}

grpc::Status OperatorService::AbortRequest(grpc::ServerContext* context,
                                           const v1::AbortRequestRequest* request,
                                           v1::AbortRequestResponse* response) {
  return Do(context, [&]() -> absl::Status {
    if (request->request_id().empty()) return FieldError("request_id", "is missing");
    const size_t here = live_->Abort(request->request_id());
    response->set_aborted(static_cast<uint32_t>(here) +
                          port_->AbortElsewhere(request->request_id()));
    return absl::OkStatus();
  });
}

grpc::Status OperatorService::Drain(grpc::ServerContext* context, const v1::DrainRequest*,
                                    v1::DrainResponse* response) {
  return Do(context, [&]() -> absl::Status {
    WL_ASSIGN_OR_RETURN(const uint32_t in_flight, port_->Drain());
    response->set_in_flight(in_flight);
    return absl::OkStatus();
  });
}

grpc::Status OperatorService::ResetPrefixCache(grpc::ServerContext* context,
                                               const v1::ResetPrefixCacheRequest*,
                                               v1::ResetPrefixCacheResponse*) {
  return Do(context, [&] { return port_->ResetPrefixCache(); });
}

grpc::Status OperatorService::ApplyFault(grpc::ServerContext* context,
                                         const v1::ApplyFaultRequest* request,
                                         v1::ApplyFaultResponse*) {
  return Do(context, [&]() -> absl::Status {
    WL_RETURN_IF_ERROR(CheckFault(request->fault()));
    return port_->ApplyFault(request->fault());
  });
}

}  // namespace waferline::rpc
