// waferline.v1.InferenceService on gRPC's callback threads, of which there are few: nothing here
// blocks. Owner: RpcServer.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "proto/waferline/v1/inference.grpc.pb.h"
#include "server/rpc/live_call.h"
#include "server/text/served_model.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::rpc {

class InferenceService final : public v1::InferenceService::CallbackService {
 public:
  explicit InferenceService(const CallParts& parts)
      : parts_(parts), models_(parts.given->models), seeds_(parts.given->seed) {}

  grpc::ServerWriteReactor<v1::GenerateResponse>* Generate(
      grpc::CallbackServerContext* context, const v1::GenerateRequest* request) override;
  grpc::ServerUnaryReactor* GenerateOnce(grpc::CallbackServerContext* context,
                                         const v1::GenerateOnceRequest* request,
                                         v1::GenerateOnceResponse* response) override;
  grpc::ServerUnaryReactor* Tokenize(grpc::CallbackServerContext* context,
                                     const v1::TokenizeRequest* request,
                                     v1::TokenizeResponse* response) override;
  grpc::ServerUnaryReactor* Detokenize(grpc::CallbackServerContext* context,
                                       const v1::DetokenizeRequest* request,
                                       v1::DetokenizeResponse* response) override;
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const v1::ListModelsRequest* request,
                                       v1::ListModelsResponse* response) override;
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context,
                                     const v1::GetModelRequest* request,
                                     v1::GetModelResponse* response) override;

 private:
  // Who calls, what its request is called, what it asks for. `request_id` is set in any case.
  absl::StatusOr<DecodedRequest> Open(grpc::CallbackServerContext* context,
                                      const v1::GenerateRequest& request, std::string* request_id);
  absl::StatusOr<tenancy::Caller> Know(const grpc::CallbackServerContext& context) const;
  // Answers a call that is done at once.
  grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context,
                                   const std::function<absl::Status()>& work) const;

  const CallParts parts_;
  const text::ModelCatalog* const models_;
  const SeededStream seeds_;
  std::atomic<uint64_t> next_seed_ = 0;
};

}  // namespace waferline::rpc
