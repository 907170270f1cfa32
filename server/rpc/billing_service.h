// waferline.v1.BillingService, synchronous: calls are rare and wait for the database. Owner:
// RpcServer.
#pragma once

#include <atomic>

#include "proto/waferline/v1/billing.grpc.pb.h"
#include "server/serving/server_deps.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::rpc {

class BillingService final : public v1::BillingService::Service {
 public:
  explicit BillingService(const serving::ServerDeps& deps) : deps_(deps) {}

  grpc::Status GetUsage(grpc::ServerContext* context, const v1::GetUsageRequest* request,
                        v1::GetUsageResponse* response) override;
  grpc::Status StreamUsage(grpc::ServerContext* context, const v1::StreamUsageRequest* request,
                           grpc::ServerWriter<v1::StreamUsageResponse>* writer) override;
  grpc::Status GetInvoice(grpc::ServerContext* context, const v1::GetInvoiceRequest* request,
                          v1::GetInvoiceResponse* response) override;
  grpc::Status CreateKey(grpc::ServerContext* context, const v1::CreateKeyRequest* request,
                         v1::CreateKeyResponse* response) override;

 private:
  absl::Status Stream(grpc::ServerContext& context, const v1::StreamUsageRequest& request,
                      grpc::ServerWriter<v1::StreamUsageResponse>* writer);
  int64_t NowSeconds() const { return deps_.clock.unix_seconds(); }

  const serving::ServerDeps& deps_;
  std::atomic<int> streams_{0};  // each has a thread
  Mutex pause_mutex_;
  CondVar pause_;  // of a stream that has sent all there is; nothing cuts it short
};

}  // namespace waferline::rpc
