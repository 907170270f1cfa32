#include "server/rpc/generate_once.h"

#include <utility>

namespace waferline::rpc {

GenerateOnce::GenerateOnce(const CallDeps& deps, grpc::CallbackServerContext* context,
                           std::string request_id, v1::GenerateOnceResponse* response)
    : LiveCall(deps, context, std::move(request_id)), response_(response) {}

void GenerateOnce::OnAdmitted() { *gathered_.mutable_admitted() = encoder_->Admitted(); }

void GenerateOnce::OnPromptLogprobs(const std::vector<TokenValue>& logprobs) {
  v1::PromptLogprobs encoded = encoder_->PromptLogprobs(logprobs);
  gathered_.mutable_prompt_logprobs()->Swap(encoded.mutable_tokens());
}

TokenSink::Verdict GenerateOnce::OnToken(const TokenEvent& event) {
  bool stopped = false;
  v1::Token* token = gathered_.add_tokens();
  *token = encoder_->Token(event, &stopped);
  gathered_.mutable_text()->append(token->text());
  return stopped ? Verdict::kStop : Verdict::kContinue;
}

void GenerateOnce::OnEnd(v1::Finished finished, const grpc::Status& status) {
  *gathered_.mutable_finished() = std::move(finished);
  gathered_.mutable_text()->append(gathered_.finished().text());
  MutexLock lock(&mutex_);
  end_ = status;
  Notify();
}

void GenerateOnce::Advance() {
  grpc::Status end = grpc::Status::CANCELLED;
  {
    MutexLock lock(&mutex_);
    if (!opened_ || finished_ || (!gone_ && !end_)) return;
    finished_ = true;
    if (!gone_) end = *end_;
    if (end.ok()) response_->Swap(&gathered_);
  }
  if (end.ok()) session_->RecordAnswered();
  Finish(end);
}

}  // namespace waferline::rpc
