// A request between its client's call and the engine: submits it when it has been read, passes
// cancellation on, ends the call. What is common to the streaming and the unary call, which are
// reactors of gRPC as well.
//
// Owner: shared by gRPC (until OnDone) and the engine (until the request's end, which may come
// later when the client disconnected first). Thread: the engine's for what SessionSink says (the
// meter's, after it, for the end), gRPC's
// for reactions, the write thread's for OnNotified; `mutex_` guards what they share.
#pragma once

#include <grpcpp/support/status.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "server/rpc/event_encoder.h"
#include "server/rpc/request_codec.h"
#include "server/rpc/write_thread.h"
#include "server/serving/request_session.h"
#include "wafer_backend/base/mutex.h"

namespace grpc {
class CallbackServerContext;
}

namespace waferline::rpc {

class LiveCalls;

// What a call needs of its server; lives as long as the server.
struct CallDeps {
  const serving::ServerDeps* server;
  WriteThread* writer;
  LiveCalls* live;
  size_t buffered_tokens;
};

class LiveCall : public serving::SessionSink,
                 public serving::QueuedWriter,
                 public std::enable_shared_from_this<LiveCall> {
 public:
  LiveCall(const CallDeps& deps, grpc::CallbackServerContext* context, std::string request_id);

  // First, once: from now on the call keeps itself until OnDone. It does not end before Submit or
  // Refuse, so that the message can be read until then, whatever its client does.
  void Open();
  // Whose call it is, once that is known.
  void BelongsTo(const std::string& tenant);
  // Charges the tenant's budget and hands the request to the engine. A refusal ends the call.
  void Submit(DecodedRequest decoded);
  void Refuse(const absl::Status& status, Nanoseconds retry_after = Nanoseconds(0));

  const std::string& request_id() const { return request_id_; }

  // Cancels the request if it has this id (none: any) and `tenant` owns it: then it ends as the
  // engine says, or with CANCELLED if the engine does not have it yet. False: it is another one, or
  // over.
  bool AbortIf(const std::optional<std::string>& request_id, const std::string& tenant);

  // The server ends now: the transport is cut, whatever is unsent.
  void Disconnect();

 protected:
  // The end, on the engine's thread: whatever is still to be sent, then `status`.
  virtual void OnEnd(v1::Finished finished, const grpc::Status& status) = 0;

  // A refusal in the protocol's own names of fields.
  virtual absl::Status InOwnNames(const absl::Status& status) const { return status; }

  // Sends what can be sent now; called without the lock, from any thread.
  virtual void Advance() = 0;

  // The client is gone (reaction OnCancel).
  void HandleCancel();
  // gRPC uses this no longer (reaction OnDone): the last that is called from there.
  void HandleDone();

  // Something is new: the write thread calls Advance soon.
  void Notify() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CutTransport() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  bool opened_ ABSL_GUARDED_BY(mutex_) = false;  // Submit or Refuse was called
  bool gone_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;  // Finish was called
  // How the call ends once everything is sent.
  std::optional<grpc::Status> end_ ABSL_GUARDED_BY(mutex_);

  // Both are there from Submit on, and do not change then.
  std::optional<EventEncoder> encoder_;  // the engine's thread, and the meter's after it
  std::shared_ptr<serving::RequestSession> session_;

 private:
  void HandleRefusal(const Refusal& refusal) final;
  void HandleOutcome(const Outcome& outcome) final;
  void OnNotified() final;
  void CancelSession();

  const CallDeps deps_;
  const std::string request_id_;
  const Nanoseconds received_;
  const std::optional<trace::Tracer::Started> trace_;
  grpc::CallbackServerContext* const context_;              // valid until OnDone
  std::shared_ptr<LiveCall> self_ ABSL_GUARDED_BY(mutex_);  // gRPC's share
  bool queued_ ABSL_GUARDED_BY(mutex_) = false;             // the write thread has it
  std::optional<std::string> tenant_ ABSL_GUARDED_BY(mutex_);
  bool aborted_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace waferline::rpc
