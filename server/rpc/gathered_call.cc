#include "server/rpc/gathered_call.h"

#include <utility>

namespace waferline::rpc {

void GatheredCall::OnAdmitted() { *gathered_.mutable_admitted() = encoder_->Admitted(); }

void GatheredCall::OnPromptLogprobs(const std::vector<TokenValue>& logprobs) {
  v1::PromptLogprobs encoded = encoder_->PromptLogprobs(logprobs);
  gathered_.mutable_prompt_logprobs()->Swap(encoded.mutable_tokens());
}

TokenSink::Verdict GatheredCall::OnToken(const TokenEvent& event) {
  v1::Token* token = gathered_.add_tokens();
  const bool stopped = encoder_->Token(event, token);
  Gather(token->text(), token->reasoning(), token->tool_calls());
  return stopped ? Verdict::kStop : Verdict::kContinue;
}

void GatheredCall::Gather(const std::string& text, const std::string& reasoning,
                          const google::protobuf::RepeatedPtrField<v1::ToolCallPart>& calls) {
  gathered_.mutable_text()->append(text);
  gathered_.mutable_reasoning()->append(reasoning);
  for (const v1::ToolCallPart& part : calls) {
    if (part.index() >= static_cast<uint32_t>(gathered_.tool_calls_size())) {
      v1::ToolCall* call = gathered_.add_tool_calls();
      call->set_id(part.id());
      call->set_name(part.name());
    }
    gathered_.mutable_tool_calls()->rbegin()->mutable_arguments()->append(part.arguments());
  }
}

void GatheredCall::OnEnd(v1::Finished finished, const grpc::Status& status) {
  *gathered_.mutable_finished() = std::move(finished);
  const v1::Finished& end = gathered_.finished();
  Gather(end.text(), end.reasoning(), end.tool_calls());
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
