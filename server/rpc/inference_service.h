// waferline.v1.InferenceService on gRPC's callback threads, of which there are few: nothing here
// blocks. Owner: RpcServer.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "proto/waferline/v1/inference.grpc.pb.h"
#include "server/rpc/call_intake.h"
#include "server/rpc/live_call.h"
#include "server/text/served_model.h"

namespace waferline::rpc {

class InferenceService final : public v1::InferenceService::CallbackService {
 public:
  explicit InferenceService(const CallDeps& deps)
      : deps_(deps), intake_(deps), models_(deps.server->models) {}

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
  // Answers a call by `work`, which reads a message of `bytes` bytes: at once, or later if it is a
  // large one.
  grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, size_t bytes,
                                   std::function<absl::Status()> work) const;

  const CallDeps deps_;
  const CallIntake intake_;
  const text::ModelCatalog* const models_;
};

}  // namespace waferline::rpc
