// waferline.v1.OperatorService, synchronous: calls are rare and wait for the engine. Owner:
// RpcServer.
#pragma once

#include <functional>

#include "proto/waferline/v1/operator.grpc.pb.h"
#include "server/serving/server_deps.h"

namespace waferline::rpc {

class AdminService final : public v1::OperatorService::Service {
 public:
  explicit AdminService(const serving::ServerDeps& deps) : deps_(deps), port_(deps.admin_port) {}

  grpc::Status GetServerInfo(grpc::ServerContext* context, const v1::GetServerInfoRequest* request,
                             v1::GetServerInfoResponse* response) override;
  grpc::Status GetLoad(grpc::ServerContext* context, const v1::GetLoadRequest* request,
                       v1::GetLoadResponse* response) override;
  grpc::Status AbortRequest(grpc::ServerContext* context, const v1::AbortRequestRequest* request,
                            v1::AbortRequestResponse* response) override;
  grpc::Status Drain(grpc::ServerContext* context, const v1::DrainRequest* request,
                     v1::DrainResponse* response) override;
  grpc::Status Resume(grpc::ServerContext* context, const v1::ResumeRequest* request,
                      v1::ResumeResponse* response) override;
  grpc::Status ResetPrefixCache(grpc::ServerContext* context,
                                const v1::ResetPrefixCacheRequest* request,
                                v1::ResetPrefixCacheResponse* response) override;
  grpc::Status ApplyFault(grpc::ServerContext* context, const v1::ApplyFaultRequest* request,
                          v1::ApplyFaultResponse* response) override;

 private:
  grpc::Status Do(grpc::ServerContext* context, const std::function<absl::Status()>& work) const;

  const serving::ServerDeps& deps_;
  admin::AdminPort* const port_;
};

}  // namespace waferline::rpc
