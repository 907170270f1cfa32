#include "server/rpc/live_call.h"

#include <grpcpp/grpcpp.h>

#include <utility>

#include "server/rpc/live_calls.h"
#include "server/rpc/rpc_status.h"

namespace waferline::rpc {

LiveCall::LiveCall(const CallParts& parts, grpc::CallbackServerContext* context,
                   const DecodedRequest& decoded)
    : encoder_(decoded),
      parts_(parts),
      request_id_(decoded.request.request_id),
      tenant_(decoded.request.tenant),
      charged_tokens_(static_cast<int64_t>(decoded.request.prompt->size()) +
                      decoded.request.max_tokens),
      context_(context) {}

void LiveCall::Submit(DecodedRequest decoded) {
  {
    absl::MutexLock lock(&mutex_);
    self_ = shared_from_this();
  }
  parts_.live->Add(this);
  if (access::Budgets* budgets = parts_.given->budgets) {
    const auto over = budgets->Charge(tenant_, charged_tokens_, parts_.given->host_now());
    if (over) return Refuse({.status = over->status, .retry_after = over->retry_after});
  }
  decoded.request.sink = shared_from_this();
  const absl::StatusOr<Ticket> ticket =
      parts_.given->front_door->Submit(std::move(decoded.request));
  if (!ticket.ok()) {
    OnRefused({.status = ticket.status()});
    return;
  }
  bool cancel, resume;
  {
    absl::MutexLock lock(&mutex_);
    ticket_ = *ticket;
    cancel = cancel_wanted_;
    resume = resume_wanted_;
  }
  if (cancel) parts_.given->front_door->Cancel(*ticket);
  if (resume) parts_.given->front_door->Resume(*ticket);
}

void LiveCall::OnRefused(const Refusal& refusal) {
  Settle(0);
  Refuse(refusal);
}

void LiveCall::OnOutcome(const Outcome& outcome) {
  Settle(static_cast<int64_t>(outcome.prompt_tokens) + outcome.generated_tokens);
  OnEnd(encoder_.Finished(outcome), ToGrpcStatus(StatusOf(outcome), {.request_id = request_id_}));
}

void LiveCall::Settle(int64_t used_tokens) {
  if (parts_.given->budgets == nullptr) return;
  parts_.given->budgets->Settle(tenant_, charged_tokens_, used_tokens, parts_.given->host_now());
}

void LiveCall::Refuse(const Refusal& refusal) {
  absl::MutexLock lock(&mutex_);
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
    absl::MutexLock lock(&mutex_);
    queued_ = false;
  }
  Advance();
}

void LiveCall::Abort() {
  std::optional<Ticket> ticket;
  {
    absl::MutexLock lock(&mutex_);
    ticket = ticket_;
    cancel_wanted_ = true;
  }
  if (ticket) parts_.given->front_door->Cancel(*ticket);
}

void LiveCall::Gone() {
  {
    absl::MutexLock lock(&mutex_);
    gone_ = true;
  }
  Abort();
  Advance();
}

void LiveCall::Cut() {
  Abort();
  absl::MutexLock lock(&mutex_);
  CutTransport();
}

void LiveCall::CutTransport() {
  if (!finished_) context_->TryCancel();
}

void LiveCall::Released() {
  parts_.live->Remove(this);
  std::shared_ptr<LiveCall> self;
  absl::MutexLock lock(&mutex_);
  self = std::move(self_);
}

void LiveCall::ResumeEngine() {
  std::optional<Ticket> ticket;
  {
    absl::MutexLock lock(&mutex_);
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
