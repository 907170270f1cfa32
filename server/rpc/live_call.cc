#include "server/rpc/live_call.h"

#include <grpcpp/grpcpp.h>

#include <utility>

#include "server/rpc/live_calls.h"
#include "server/rpc/rpc_status.h"

namespace waferline::rpc {

LiveCall::LiveCall(const CallDeps& deps, grpc::CallbackServerContext* context,
                   const DecodedRequest& decoded)
    : encoder_(decoded),
      session_(std::make_shared<serving::RequestSession>(
          deps.server, serving::SessionSubject{.caller = decoded.caller,
                                               .model = decoded.request.model,
                                               .endpoint = "grpc",
                                               .request_id = decoded.request.request_id,
                                               .received = deps.server->clock.monotonic()})),
      deps_(deps),
      request_id_(decoded.request.request_id),
      context_(context) {}

void LiveCall::Submit(DecodedRequest decoded) {
  {
    MutexLock lock(&mutex_);
    self_ = shared_from_this();
  }
  deps_.live->Add(this);
  std::optional<Refusal> refusal = session_->Charge({&decoded.request, 1});
  if (const std::string id = session_->UsageIdText(); !id.empty()) {
    context_->AddInitialMetadata("x-waferline-usage-id", id);
  }
  if (!refusal) refusal = session_->Submit({{std::move(decoded.request), shared_from_this()}});
  if (refusal) HandleRefusal(*refusal);
}

void LiveCall::HandleRefusal(const Refusal& refusal) {
  MutexLock lock(&mutex_);
  end_ =
      ToGrpcStatus(refusal.status, {.retry_after = refusal.retry_after, .request_id = request_id_});
  Notify();
}

void LiveCall::HandleOutcome(const Outcome& outcome) {
  OnEnd(encoder_.Finished(outcome),
        ToGrpcStatus(serving::StatusOf(outcome), {.request_id = request_id_}));
}

void LiveCall::Notify() {
  if (queued_ || finished_) return;
  queued_ = true;
  deps_.writer->Notify(shared_from_this());
}

void LiveCall::OnNotified() {
  {
    MutexLock lock(&mutex_);
    queued_ = false;
  }
  Advance();
}

void LiveCall::HandleCancel() {
  {
    MutexLock lock(&mutex_);
    gone_ = true;
  }
  session_->Cancel();
  Advance();
}

void LiveCall::Disconnect() {
  session_->Cancel();
  MutexLock lock(&mutex_);
  CutTransport();
}

void LiveCall::CutTransport() {
  if (!finished_) context_->TryCancel();
}

void LiveCall::HandleDone() {
  deps_.live->Remove(this);
  std::shared_ptr<LiveCall> self;
  MutexLock lock(&mutex_);
  self = std::move(self_);
}

}  // namespace waferline::rpc
