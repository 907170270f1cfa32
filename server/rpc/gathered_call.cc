#include "server/rpc/gathered_call.h"

#include <utility>

namespace waferline::rpc {

void GatheredCall::OnAdmitted() { *gathered_.mutable_admitted() = encoder_->Admitted(); }

void GatheredCall::OnPromptLogprobs(const std::vector<TokenValue>& logprobs) {
  v1::PromptLogprobs encoded = encoder_->PromptLogprobs(logprobs);
  gathered_.mutable_prompt_logprobs()->Swap(encoded.mutable_tokens());
}

TokenSink::Verdict GatheredCall::OnToken(const TokenEvent& event) {
  bool stopped = false;
  v1::Token* token = gathered_.add_tokens();
  *token = encoder_->Token(event, &stopped);
  gathered_.mutable_text()->append(token->text());
  return stopped ? Verdict::kStop : Verdict::kContinue;
}

void GatheredCall::OnEnd(v1::Finished finished, const grpc::Status& status) {
  *gathered_.mutable_finished() = std::move(finished);
  gathered_.mutable_text()->append(gathered_.finished().text());
  MutexLock lock(&mutex_);
  end_ = status;
  Notify();
}

void GatheredCall::Advance() {
  grpc::Status end = grpc::Status::CANCELLED;
  {
    MutexLock lock(&mutex_);
    if (!opened_ || finished_ || (!gone_ && !end_)) return;
    finished_ = true;
    if (!gone_) end = *end_;
    if (end.ok()) Answer(&gathered_);
  }
  if (end.ok()) session_->RecordAnswered();
  Close(end);
}

}  // namespace waferline::rpc
