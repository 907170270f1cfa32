#include "server/rpc/live_call.h"

#include <grpcpp/grpcpp.h>

#include <utility>

#include "server/rpc/live_calls.h"
#include "server/rpc/rpc_status.h"

namespace waferline::rpc {

LiveCall::LiveCall(const CallParts& parts, grpc::CallbackServerContext* context,
                   const DecodedRequest& decoded)
    : encoder_(decoded),
      meter_(parts.given, decoded.request),
      parts_(parts),
      request_id_(decoded.request.request_id),
      context_(context) {}

void LiveCall::Submit(DecodedRequest decoded) {
  {
    MutexLock lock(&mutex_);
    self_ = shared_from_this();
  }
  parts_.live->Add(this);
  if (const auto refusal = meter_.Charge()) return Refuse(*refusal);
  decoded.request.sink = shared_from_this();
  const absl::StatusOr<Ticket> ticket =
      parts_.given->front_door->Submit(std::move(decoded.request));
  if (!ticket.ok()) {
    OnRefused({.status = ticket.status()});
    return;
  }
  bool cancel, resume;
  {
    MutexLock lock(&mutex_);
    ticket_ = *ticket;
    cancel = cancel_wanted_;
    resume = resume_wanted_;
  }
  if (cancel) parts_.given->front_door->Cancel(*ticket);
  if (resume) parts_.given->front_door->Resume(*ticket);
}

void LiveCall::OnRefused(const Refusal& refusal) {
  meter_.Settle();
  Refuse(refusal);
}

void LiveCall::OnOutcome(const Outcome& outcome) {
  meter_.Record(outcome);
  OnEnd(encoder_.Finished(outcome), ToGrpcStatus(StatusOf(outcome), {.request_id = request_id_}));
}

void LiveCall::Refuse(const Refusal& refusal) {
  MutexLock lock(&mutex_);
  end_ =
      ToGrpcStatus(refusal.status, {.retry_after = refusal.retry_after, .request_id = request_id_});
  Poke();
}

void LiveCall::Poke() {
  if (queued_ || finished_) return;
  queued_ = true;
  parts_.pump->Poke(shared_from_this());
}

void LiveCall::OnPump() {
  {
    MutexLock lock(&mutex_);
    queued_ = false;
  }
  Advance();
}

void LiveCall::CancelRequest() {
  std::optional<Ticket> ticket;
  {
    MutexLock lock(&mutex_);
    ticket = ticket_;
    cancel_wanted_ = true;
  }
  if (ticket) parts_.given->front_door->Cancel(*ticket);
}

void LiveCall::Gone() {
  {
    MutexLock lock(&mutex_);
    gone_ = true;
  }
  CancelRequest();
  Advance();
}

void LiveCall::Cut() {
  CancelRequest();
  MutexLock lock(&mutex_);
  CutTransport();
}

void LiveCall::CutTransport() {
  if (!finished_) context_->TryCancel();
}

void LiveCall::Released() {
  parts_.live->Remove(this);
  std::shared_ptr<LiveCall> self;
  MutexLock lock(&mutex_);
  self = std::move(self_);
}

void LiveCall::ResumeEngine() {
  std::optional<Ticket> ticket;
  {
    MutexLock lock(&mutex_);
    ticket = ticket_;
    resume_wanted_ = true;
  }
  if (ticket) parts_.given->front_door->Resume(*ticket);
}

absl::Status StatusOf(const Outcome& outcome) {
  if (!outcome.status.ok()) return outcome.status;
  switch (outcome.reason) {
    case FinishReason::kStop:
    case FinishReason::kLength:
      return absl::OkStatus();
    case FinishReason::kCancelled:
      return absl::CancelledError("the request was cancelled");
    case FinishReason::kDeadline:
      return absl::DeadlineExceededError("the request's deadline has passed");
    case FinishReason::kFailed:
      break;
  }
  return absl::InternalError("the request failed");
}

}  // namespace waferline::rpc
