#include "server/rpc/live_call.h"

#include <grpcpp/grpcpp.h>

#include <utility>

#include "server/rpc/call_metadata.h"
#include "server/rpc/live_calls.h"
#include "server/rpc/rpc_status.h"

namespace waferline::rpc {

LiveCall::LiveCall(const CallDeps& deps, grpc::CallbackServerContext* context,
                   std::string request_id)
    : deps_(deps),
      request_id_(std::move(request_id)),
      received_(deps.server->clock.monotonic()),
      trace_(StartTrace(context, deps.server->tracer)),
      context_(context) {}

void LiveCall::Open() {
  {
    MutexLock lock(&mutex_);
    self_ = shared_from_this();
  }
  deps_.live->Add(this);
}

void LiveCall::BelongsTo(const std::string& tenant) {
  MutexLock lock(&mutex_);
  tenant_ = tenant;
}

void LiveCall::Submit(DecodedRequest decoded) {
  auto session = std::make_shared<serving::RequestSession>(
      deps_.server, serving::SessionSubject{.caller = decoded.caller,
                                            .model = decoded.request.model,
                                            .endpoint = "grpc",
                                            .request_id = request_id_,
                                            .received = received_,
                                            .trace = trace_});
  bool aborted = false;
  {
    MutexLock lock(&mutex_);
    opened_ = true;
    if (gone_) return Notify();
    aborted = aborted_;
    encoder_.emplace(decoded);
    session_ = session;
  }
  if (aborted) return Refuse(absl::CancelledError("the request was aborted"));
  std::optional<Refusal> refusal = session->Charge({&decoded.request, 1});
  if (const std::string id = session->UsageIdText(); !id.empty()) {
    context_->AddInitialMetadata("x-waferline-usage-id", id);
  }
  if (!refusal) refusal = session->Submit({{std::move(decoded.request), shared_from_this()}});
  if (refusal) HandleRefusal(*refusal);
}

void LiveCall::Refuse(const absl::Status& status, Nanoseconds retry_after) {
  MutexLock lock(&mutex_);
  opened_ = true;
  end_ = ToGrpcStatus(InOwnNames(status), {.retry_after = retry_after, .request_id = request_id_});
  Notify();
}

void LiveCall::HandleRefusal(const Refusal& refusal) {
  Refuse(refusal.status, refusal.retry_after);
}

void LiveCall::HandleOutcome(const Outcome& outcome) {
  v1::Finished finished = encoder_->Finished(outcome);
  finished.mutable_usage()->set_usage_id(session_->UsageIdText());
  finished.mutable_usage()->set_cost_usd(session_->CostText());
  OnEnd(std::move(finished), ToGrpcStatus(serving::StatusOf(outcome), {.request_id = request_id_}));
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
  CancelSession();
  Advance();
}

void LiveCall::Disconnect() {
  CancelSession();
  MutexLock lock(&mutex_);
  CutTransport();
}

bool LiveCall::AbortIf(const std::optional<std::string>& request_id, const std::string& tenant) {
  std::shared_ptr<serving::RequestSession> session;
  {
    MutexLock lock(&mutex_);
    if (finished_ || (request_id && request_id_ != *request_id) || tenant_ != tenant) return false;
    aborted_ = true;
    session = session_;
  }
  if (session != nullptr) session->Cancel();
  return true;
}

void LiveCall::CancelSession() {
  std::shared_ptr<serving::RequestSession> session;
  {
    MutexLock lock(&mutex_);
    gone_ = true;
    session = session_;
  }
  if (session != nullptr) session->Cancel();
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
