#include "server/engines/openengine_response.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"

namespace waferline::engines {
namespace {

namespace oe = openengine::v1;

oe::GenerateResponse Of(const OpenEngineForm& form) {
  oe::GenerateResponse message;
  message.set_request_id(form.request_id);
  return message;
}

oe::GenerateResponse TokensOf(const v1::Tokens& tokens, const OpenEngineForm& form) {
  oe::GenerateResponse message = Of(form);
  oe::TokenOutput* output = message.mutable_token();
  output->set_output_index(0);
  for (const v1::Token& token : tokens.tokens()) {
    oe::TokenInfo* info = output->add_tokens();
    info->set_token_id(static_cast<uint32_t>(token.id()));
    if (token.has_logprob()) info->set_logprob(token.logprob());
    uint32_t rank = 0;
    for (const v1::TokenLogprob& top : token.top_logprobs()) {
      oe::LogProb* candidate = info->add_candidates();
      candidate->set_token_id(static_cast<uint32_t>(top.id()));
      candidate->set_logprob(top.logprob());
      candidate->set_rank(++rank);
    }
    if (form.text) output->mutable_text()->append(token.text());
  }
  return message;
}

void SetStopMatch(const v1::Finished& finished, const OpenEngineForm& form, oe::StopMatch* match) {
  if (finished.has_stop_string()) return match->set_stop_text(finished.stop_string());
  const auto id = static_cast<uint32_t>(finished.stop_token_id());
  const bool eos = std::find(form.model_ends.begin(), form.model_ends.end(),
                             finished.stop_token_id()) != form.model_ends.end();
  eos ? match->set_eos_token_id(id) : match->set_stop_token_id(id);
}

void SetError(const google::rpc::Status& why, oe::EngineError* error) {
  const auto code = static_cast<absl::StatusCode>(why.code());
  const bool later =
      code == absl::StatusCode::kUnavailable || code == absl::StatusCode::kResourceExhausted;
  error->set_code(later                                         ? oe::ERROR_CODE_OVERLOADED
                  : code == absl::StatusCode::kDeadlineExceeded ? oe::ERROR_CODE_CANCELLED
                                                                : oe::ERROR_CODE_INTERNAL);
  error->set_message(why.message());
  error->set_retryable(later);
}

void SetEnd(const v1::Finished& finished, const OpenEngineForm& form,
            oe::GenerateResponse* message) {
  if (finished.has_kv_transfer_params()) {
    oe::KvSessionRef* session = message->mutable_prefill_ready()->mutable_kv_session();
    session->set_session_id(form.request_id);
    session->set_transfer_backend("waferline");
    *session->mutable_attributes_struct() = finished.kv_transfer_params();
    return;
  }
  if (finished.reason() == v1::FINISH_REASON_FAILED ||
      finished.reason() == v1::FINISH_REASON_DEADLINE) {
    return SetError(finished.error(), message->mutable_error());
  }
  oe::GenerationFinished* end = message->mutable_finished();
  end->set_output_index(0);
  end->set_message(finished.error().message());
  switch (finished.reason()) {
    case v1::FINISH_REASON_STOP:
      end->set_reason(oe::FINISH_REASON_STOP);
      return SetStopMatch(finished, form, end->mutable_stop_match());
    case v1::FINISH_REASON_LENGTH:
      return end->set_reason(oe::FINISH_REASON_LENGTH);
    default:
      return end->set_reason(oe::FINISH_REASON_CANCELLED);
  }
}

}  // namespace

std::vector<oe::GenerateResponse> OpenEngineEvents(const v1::GenerateResponse& event,
                                                   const OpenEngineForm& form) {
  std::vector<oe::GenerateResponse> messages;
  if (event.has_tokens()) messages.push_back(TokensOf(event.tokens(), form));
  if (!event.has_finished()) return messages;
  const v1::Finished& finished = event.finished();
  if (form.text && !finished.text().empty()) {
    oe::GenerateResponse& rest = messages.emplace_back(Of(form));
    rest.mutable_token()->set_output_index(0);
    rest.mutable_token()->set_text(finished.text());
  }
  oe::GenerateResponse last = Of(form);
  SetEnd(finished, form, &last);
  const v1::Usage& used = finished.usage();
  last.mutable_usage()->set_prompt_tokens(used.prompt_tokens());
  last.mutable_usage()->set_completion_tokens(used.completion_tokens());
  last.mutable_usage()->set_total_tokens(used.prompt_tokens() + used.completion_tokens());
  last.mutable_usage()->set_cached_prompt_tokens(used.cached_prompt_tokens());
  messages.push_back(std::move(last));
  return messages;
}

}  // namespace waferline::engines
