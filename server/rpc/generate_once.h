// InferenceService.GenerateOnce: the gathered answer as it is.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <string>
#include <utility>

#include "server/rpc/gathered_call.h"

namespace waferline::rpc {

class GenerateOnce final : public GatheredCall, public grpc::ServerUnaryReactor {
 public:
  // `response` is gRPC's and lives until OnDone.
  GenerateOnce(const CallDeps& deps, grpc::CallbackServerContext* context, std::string request_id,
               v1::GenerateOnceResponse* response)
      : GatheredCall(deps, context, std::move(request_id)), response_(response) {}

  // Reactions.
  void OnCancel() override { HandleCancel(); }
  void OnDone() override { HandleDone(); }

 private:
  void Answer(v1::GenerateOnceResponse* gathered) override { response_->Swap(gathered); }
  void Close(const grpc::Status& status) override { Finish(status); }

  v1::GenerateOnceResponse* const response_;  // of the thread that calls Finish
};

}  // namespace waferline::rpc
