// A streaming call, whatever its messages: one write in flight; what comes meanwhile gathers in a
// bounded buffer and shares the next message. A reader that lets it fill holds its sequence back
// (kFull) until it has taken half of it (Resume), or until the engine ends the sequence after a
// while: then the transport is cut, since such a reader would not take a last message either.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "proto/waferline/v1/inference.pb.h"
#include "server/rpc/event_buffer.h"
#include "server/rpc/live_call.h"

namespace waferline::rpc {

class EventStream : public LiveCall {
 public:
  EventStream(const CallDeps& deps, grpc::CallbackServerContext* context, std::string request_id);

  // TokenSink.
  void OnAdmitted() override;
  void OnPromptLogprobs(const std::vector<TokenValue>& logprobs) override;
  Verdict OnToken(const TokenEvent& token) override;

 protected:
  // The last message, if the protocol has one for this end; then the call's status.
  // `failed`: the engine gave the sequence up.
  struct Ending {
    std::optional<v1::Finished> finished;
    grpc::Status status;
    bool failed = false;
  };
  void End(Ending ending);

  void OnEnd(v1::Finished finished, const grpc::Status& status) override;
  void Advance() override;

  // Starts the one write; `message` stays as it is until HandleWritten.
  virtual void Write(const v1::GenerateResponse& message) = 0;
  virtual void Close(const grpc::Status& status) = 0;  // Finish of gRPC's reactor
  void HandleWritten(bool ok);                         // reaction OnWriteDone

 private:
  EventBuffer buffer_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;  // said kFull, not yet Resume
  v1::GenerateResponse message_;                 // of the write in flight
};

}  // namespace waferline::rpc
