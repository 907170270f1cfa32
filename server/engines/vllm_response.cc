#include "server/engines/vllm_response.h"

#include <algorithm>
#include <utility>

namespace waferline::engines {
namespace {

::vllm::FinishInfo::FinishReason ReasonOf(v1::FinishReason reason) {
  if (reason == v1::FINISH_REASON_STOP) return ::vllm::FinishInfo::STOP;
  if (reason == v1::FINISH_REASON_LENGTH) return ::vllm::FinishInfo::LENGTH;
  return ::vllm::FinishInfo::ABORTED;
}

void AddAdmitted(const v1::Admitted& admitted, ::vllm::GenerateResponse* message) {
  message->mutable_prompt_info()->set_num_prompt_tokens(admitted.prompt_tokens());
}

void AddTokens(const google::protobuf::RepeatedPtrField<v1::Token>& tokens,
               const VllmAnswerForm& form, ::vllm::SequenceOutput* output) {
  output->set_num_tokens(static_cast<uint32_t>(tokens.size()));
  for (const v1::Token& token : tokens) {
    if (form.token_ids) output->add_token_ids(static_cast<uint32_t>(token.id()));
    if (form.text) output->mutable_text()->append(token.text());
  }
}

void AddFinished(const v1::Finished& finished, const VllmAnswerForm& form,
                 ::vllm::SequenceOutput* output) {
  if (form.text) output->mutable_text()->append(finished.text());
  ::vllm::FinishInfo* info = output->mutable_finish_info();
  info->set_finish_reason(ReasonOf(finished.reason()));
  info->set_num_output_tokens(finished.usage().completion_tokens());
  info->set_num_cached_tokens(finished.usage().cached_prompt_tokens());
  if (finished.has_kv_transfer_params()) {
    *info->mutable_kv_transfer_params() = finished.kv_transfer_params();
  }
  if (finished.has_stop_string()) info->set_stop_string(finished.stop_string());
  if (!finished.has_stop_token_id()) return;
  const auto id = static_cast<uint32_t>(finished.stop_token_id());
  const bool eos = std::find(form.model_ends.begin(), form.model_ends.end(),
                             finished.stop_token_id()) != form.model_ends.end();
  if (eos) {
    info->set_eos_token_id(id);
  } else {
    info->set_stop_token_id(id);
  }
}

}  // namespace

VllmAnswerForm AnswerFormOf(const ::vllm::GenerateRequest& message,
                            std::vector<TokenId> model_ends) {
  const ::vllm::ResponseOptions& response = message.response();
  VllmAnswerForm form{.text = !response.has_output_text() || response.output_text(),
                      .token_ids = response.output_token_ids(),
                      .model_ends = std::move(model_ends)};
  if (message.stopping().ignore_eos()) form.model_ends.clear();
  return form;
}

void AddEvent(const v1::GenerateResponse& event, const VllmAnswerForm& form,
              ::vllm::GenerateResponse* message) {
  if (event.has_admitted()) AddAdmitted(event.admitted(), message);
  if (event.has_tokens()) AddTokens(event.tokens().tokens(), form, message->mutable_outputs());
  if (event.has_finished()) AddFinished(event.finished(), form, message->mutable_outputs());
}

void AddAnswer(const v1::GenerateOnceResponse& answer, const VllmAnswerForm& form,
               ::vllm::GenerateResponse* message) {
  AddAdmitted(answer.admitted(), message);
  AddTokens(answer.tokens(), form, message->mutable_outputs());
  AddFinished(answer.finished(), form, message->mutable_outputs());
}

bool HasFinishInfo(v1::FinishReason reason) {
  return reason == v1::FINISH_REASON_STOP || reason == v1::FINISH_REASON_LENGTH ||
         reason == v1::FINISH_REASON_CANCELLED;
}

}  // namespace waferline::engines
