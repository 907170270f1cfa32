// InferenceService.GenerateOnce: gathers the events of one request into one answer, which is
// bounded by the model's context.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <string>
#include <vector>

#include "proto/waferline/v1/inference.pb.h"
#include "server/rpc/live_call.h"

namespace waferline::rpc {

class GenerateOnce final : public LiveCall, public grpc::ServerUnaryReactor {
 public:
  // `response` is gRPC's and lives until OnDone.
  GenerateOnce(const CallDeps& deps, grpc::CallbackServerContext* context, std::string request_id,
               v1::GenerateOnceResponse* response);

  // TokenSink.
  void OnAdmitted() override;
  void OnPromptLogprobs(const std::vector<TokenValue>& logprobs) override;
  Verdict OnToken(const TokenEvent& token) override;

  // Reactions.
  void OnCancel() override { HandleCancel(); }
  void OnDone() override { HandleDone(); }

 private:
  void OnEnd(v1::Finished finished, const grpc::Status& status) override;
  void Advance() override;

  v1::GenerateOnceResponse gathered_;         // the engine's thread, until end_ is there
  v1::GenerateOnceResponse* const response_;  // of the thread that calls Finish
};

}  // namespace waferline::rpc
