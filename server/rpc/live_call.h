// A request between its client's call and the engine: submits it, passes cancellation on, hears of
// its fate. What is common to the streaming and the unary call, which are reactors of gRPC beside.
//
// Owner: shared by gRPC (until OnDone) and the engine (until the request's end, which may come
// later when the client went away first). Thread: the engine's for what TokenSink says, gRPC's for
// reactions, the pump's for OnPump; `mutex_` guards what they share.
#pragma once

#include <grpcpp/support/status.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "scheduler/request/token_sink.h"
#include "server/rpc/call_meter.h"
#include "server/rpc/event_encoder.h"
#include "server/rpc/request_codec.h"
#include "server/rpc/rpc_parts.h"
#include "server/rpc/write_pump.h"
#include "wafer_backend/base/mutex.h"

namespace grpc {
class CallbackServerContext;
}

namespace waferline::rpc {

class LiveCalls;

// What a call needs of its server; lives as long as the server.
struct CallParts {
  const RpcParts* given;
  WritePump* pump;
  LiveCalls* live;
  size_t buffered_tokens;
};

class LiveCall : public TokenSink, public Pumped, public std::enable_shared_from_this<LiveCall> {
 public:
  LiveCall(const CallParts& parts, grpc::CallbackServerContext* context,
           const DecodedRequest& decoded);

  // Once, right after construction: charges the tenant's budget and hands the request to the
  // engine. A refusal at the door ends the call.
  void Submit(DecodedRequest decoded);

  // The server ends now: the transport is cut, whatever is unsent.
  void Cut();

  // TokenSink.
  void OnRefused(const Refusal& refusal) final;
  void OnOutcome(const Outcome& outcome) final;

 protected:
  // The end, on the engine's thread: whatever is still to be sent, then `status`.
  virtual void OnEnd(v1::Finished finished, const grpc::Status& status) = 0;

  // Sends what can be sent now; called without the lock, from any thread.
  virtual void Advance() = 0;

  // The client is gone (reaction OnCancel).
  void Gone();
  // gRPC has let go (reaction OnDone): the last that is called from there.
  void Released();

  void ResumeEngine();
  // Something is new: the pump calls Advance soon.
  void Poke() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CutTransport() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  bool gone_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;  // Finish was called
  // How the call ends once everything is sent.
  std::optional<grpc::Status> end_ ABSL_GUARDED_BY(mutex_);

  EventEncoder encoder_;  // the engine's thread
  CallMeter meter_;
  const CallParts parts_;

 private:
  void OnPump() final;

  void CancelRequest();
  void Refuse(const Refusal& refusal);

  const std::string request_id_;
  grpc::CallbackServerContext* const context_;              // valid until OnDone
  std::shared_ptr<LiveCall> self_ ABSL_GUARDED_BY(mutex_);  // gRPC's share
  bool queued_ ABSL_GUARDED_BY(mutex_) = false;             // the pump has it
  // Submit may still be on its way when the engine already speaks.
  std::optional<Ticket> ticket_ ABSL_GUARDED_BY(mutex_);
  bool cancel_wanted_ ABSL_GUARDED_BY(mutex_) = false;
  bool resume_wanted_ ABSL_GUARDED_BY(mutex_) = false;
};

// Why a request ended; OK for stop and length.
absl::Status StatusOf(const Outcome& outcome);

}  // namespace waferline::rpc
