// VllmEngine.Generate with `stream` and without: both are streams of gRPC. An aborted request ends
// with `complete` and OK, as vLLM's does.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <string>
#include <utility>

#include "server/engines/smg_request.h"
#include "server/engines/smg_response.h"
#include "server/rpc/event_stream.h"
#include "server/rpc/gathered_call.h"

namespace waferline::engines {

using SmgReactor = grpc::ServerWriteReactor<::vllm::grpc::engine::GenerateResponse>;

class SmgStream final : public rpc::EventStream, public SmgReactor {
 public:
  using EventStream::EventStream;

  // Reactions.
  void OnWriteDone(bool ok) override { HandleWritten(ok); }
  void OnCancel() override { HandleCancel(); }
  void OnDone() override { HandleDone(); }

 private:
  // The protocol has no event for it; the first token comes after it.
  void OnAdmitted() override { prompt_tokens_ = encoder_->Admitted().prompt_tokens(); }
  void OnEnd(v1::Finished finished, const grpc::Status& status) override {
    const bool has = HasSmgEnd(finished.reason());
    End({.finished = has ? std::optional(std::move(finished)) : std::nullopt,
         .status = has ? grpc::Status::OK : status,
         .failed = !status.ok()});
  }
  absl::Status InOwnNames(const absl::Status& status) const override { return InSmgNames(status); }
  void Write(const v1::GenerateResponse& event) override {
    message_.Clear();
    answer_.Add(event, prompt_tokens_, &message_);
    StartWrite(&message_);
  }
  void Close(const grpc::Status& status) override { Finish(status); }

  uint32_t prompt_tokens_ = 0;
  SmgAnswer answer_;
  ::vllm::grpc::engine::GenerateResponse message_;  // of the write in flight
};

class SmgWhole final : public rpc::GatheredCall, public SmgReactor {
 public:
  using GatheredCall::GatheredCall;

  // Reactions.
  void OnCancel() override { HandleCancel(); }
  void OnDone() override { HandleDone(); }

 private:
  void OnEnd(v1::Finished finished, const grpc::Status& status) override {
    const bool has = HasSmgEnd(finished.reason());
    GatheredCall::OnEnd(std::move(finished), has ? grpc::Status::OK : status);
  }
  absl::Status InOwnNames(const absl::Status& status) const override { return InSmgNames(status); }
  void Answer(v1::GenerateOnceResponse* gathered) override {
    SmgAnswer().AddAll(*gathered, &message_);
  }
  void Close(const grpc::Status& status) override {
    status.ok() ? StartWriteAndFinish(&message_, grpc::WriteOptions(), status) : Finish(status);
  }

  ::vllm::grpc::engine::GenerateResponse message_;
};

}  // namespace waferline::engines
