// waferline.v1.BillingService, synchronous: calls are rare and wait for the database. Owner:
// RpcServer.
#pragma once

#include "proto/waferline/v1/billing.grpc.pb.h"
#include "server/serving/server_deps.h"

namespace waferline::rpc {

class BillingService final : public v1::BillingService::Service {
 public:
  explicit BillingService(const serving::ServerDeps& deps) : deps_(deps) {}

  grpc::Status GetUsage(grpc::ServerContext* context, const v1::GetUsageRequest* request,
                        v1::GetUsageResponse* response) override;
  grpc::Status GetInvoice(grpc::ServerContext* context, const v1::GetInvoiceRequest* request,
                          v1::GetInvoiceResponse* response) override;
  grpc::Status CreateKey(grpc::ServerContext* context, const v1::CreateKeyRequest* request,
                         v1::CreateKeyResponse* response) override;

 private:
  int64_t NowSeconds() const { return deps_.clock.unix_seconds(); }

  const serving::ServerDeps& deps_;
};

}  // namespace waferline::rpc
