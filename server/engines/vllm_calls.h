// vllm.Inference's two calls: those of waferline.v1 with other messages. An aborted request ends
// with finish_info and OK, as vLLM's does.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <string>
#include <utility>

#include "proto/vllm/inference.pb.h"
#include "server/engines/vllm_request.h"
#include "server/engines/vllm_response.h"
#include "server/rpc/event_stream.h"
#include "server/rpc/gathered_call.h"

namespace waferline::engines {

class VllmStream final : public rpc::EventStream,
                         public grpc::ServerWriteReactor<::vllm::GenerateResponse> {
 public:
  VllmStream(const rpc::CallDeps& deps, grpc::CallbackServerContext* context,
             std::string request_id, VllmAnswerForm form)
      : EventStream(deps, context, std::move(request_id)), form_(std::move(form)) {}

  // Reactions.
  void OnWriteDone(bool ok) override { HandleWritten(ok); }
  void OnCancel() override { HandleCancel(); }
  void OnDone() override { HandleDone(); }

 private:
  void OnEnd(v1::Finished finished, const grpc::Status& status) override {
    const bool has = HasFinishInfo(finished.reason());
    End({.finished = has ? std::optional(std::move(finished)) : std::nullopt,
         .status = has ? grpc::Status::OK : status,
         .failed = !status.ok()});
  }
  absl::Status InOwnNames(const absl::Status& status) const override { return InVllmNames(status); }
  void Write(const v1::GenerateResponse& event) override {
    message_.Clear();
    AddEvent(event, form_, &message_);
    StartWrite(&message_);
  }
  void Close(const grpc::Status& status) override { Finish(status); }

  const VllmAnswerForm form_;
  ::vllm::GenerateResponse message_;  // of the write in flight
};

class VllmAnswer final : public rpc::GatheredCall, public grpc::ServerUnaryReactor {
 public:
  // `response` is gRPC's and lives until OnDone.
  VllmAnswer(const rpc::CallDeps& deps, grpc::CallbackServerContext* context,
             std::string request_id, std::pair<VllmAnswerForm, ::vllm::GenerateResponse*> answer)
      : GatheredCall(deps, context, std::move(request_id)),
        form_(std::move(answer.first)),
        response_(answer.second) {}

  // Reactions.
  void OnCancel() override { HandleCancel(); }
  void OnDone() override { HandleDone(); }

 private:
  void OnEnd(v1::Finished finished, const grpc::Status& status) override {
    const bool has = HasFinishInfo(finished.reason());
    GatheredCall::OnEnd(std::move(finished), has ? grpc::Status::OK : status);
  }
  absl::Status InOwnNames(const absl::Status& status) const override { return InVllmNames(status); }
  void Answer(v1::GenerateOnceResponse* gathered) override {
    AddAnswer(*gathered, form_, response_);
  }
  void Close(const grpc::Status& status) override { Finish(status); }

  const VllmAnswerForm form_;
  ::vllm::GenerateResponse* const response_;  // of the thread that calls Finish
};

}  // namespace waferline::engines
