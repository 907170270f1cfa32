// InferenceService.Generate: one write in flight; what comes meanwhile gathers in a bounded buffer
// and shares the next message. A reader that lets it fill holds its sequence back (kFull) until it
// has taken half of it (Resume), or until the engine ends the sequence after a while: then the
// transport is cut, since such a reader would not take a last message either.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <string>
#include <vector>

#include "proto/waferline/v1/inference.pb.h"
#include "server/rpc/event_buffer.h"
#include "server/rpc/live_call.h"

namespace waferline::rpc {

class GenerateStream final : public LiveCall,
                             public grpc::ServerWriteReactor<v1::GenerateResponse> {
 public:
  GenerateStream(const CallDeps& deps, grpc::CallbackServerContext* context,
                 std::string request_id);

  // TokenSink.
  void OnAdmitted() override;
  void OnPromptLogprobs(const std::vector<TokenValue>& logprobs) override;
  Verdict OnToken(const TokenEvent& token) override;

  // Reactions.
  void OnWriteDone(bool ok) override;
  void OnCancel() override { HandleCancel(); }
  void OnDone() override { HandleDone(); }

 private:
  void OnEnd(v1::Finished finished, const grpc::Status& status) override;
  void Advance() override;

  EventBuffer buffer_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;  // said kFull, not yet Resume
  v1::GenerateResponse message_;                 // of the write in flight
};

}  // namespace waferline::rpc
