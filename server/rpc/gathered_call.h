// A unary call, whatever its messages: gathers the events of one request into one answer, which is
// bounded by the model's context.
#pragma once

#include <string>
#include <vector>

#include "proto/waferline/v1/inference.pb.h"
#include "server/rpc/live_call.h"

namespace waferline::rpc {

class GatheredCall : public LiveCall {
 public:
  using LiveCall::LiveCall;

  // TokenSink.
  void OnAdmitted() override;
  void OnPromptLogprobs(const std::vector<TokenValue>& logprobs) override;
  Verdict OnToken(const TokenEvent& token) override;

 protected:
  void OnEnd(v1::Finished finished, const grpc::Status& status) override;
  void Advance() override;

  // Puts the answer into gRPC's message, which lives until OnDone.
  virtual void Answer(v1::GenerateOnceResponse* gathered) = 0;
  virtual void Close(const grpc::Status& status) = 0;  // Finish of gRPC's reactor

 private:
  void Gather(const std::string& text, const std::string& reasoning,
              const google::protobuf::RepeatedPtrField<v1::ToolCallPart>& calls);

  v1::GenerateOnceResponse gathered_;  // the engine's thread, until end_ is there
};

}  // namespace waferline::rpc
