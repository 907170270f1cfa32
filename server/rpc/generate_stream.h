// InferenceService.Generate: the events as they are.
#pragma once

#include <grpcpp/support/server_callback.h>

#include "server/rpc/event_stream.h"

namespace waferline::rpc {

class GenerateStream final : public EventStream,
                             public grpc::ServerWriteReactor<v1::GenerateResponse> {
 public:
  using EventStream::EventStream;

  // Reactions.
  void OnWriteDone(bool ok) override { HandleWritten(ok); }
  void OnCancel() override { HandleCancel(); }
  void OnDone() override { HandleDone(); }

 private:
  void Write(const v1::GenerateResponse& message) override { StartWrite(&message); }
  void Close(const grpc::Status& status) override { Finish(status); }
};

}  // namespace waferline::rpc
