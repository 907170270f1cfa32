#include "server/engines/smg_response.h"

#include <google/protobuf/util/json_util.h>

#include <string>

namespace waferline::engines {
namespace {

namespace smg = ::vllm::grpc::engine;

void AddLogprobs(const v1::Token& token, smg::OutputLogProbs* to) {
  to->add_token_logprobs(token.logprob());
  to->add_token_ids(static_cast<uint32_t>(token.id()));
  smg::TopLogProbs* tops = to->add_top_logprobs();
  for (const v1::TokenLogprob& top : token.top_logprobs()) {
    tops->add_values(top.logprob());
    tops->add_token_ids(static_cast<uint32_t>(top.id()));
  }
}

const char* SmgReason(v1::FinishReason reason) {
  if (reason == v1::FINISH_REASON_STOP) return "stop";
  return reason == v1::FINISH_REASON_LENGTH ? "length" : "abort";
}

}  // namespace

bool HasSmgEnd(v1::FinishReason reason) {
  return reason == v1::FINISH_REASON_STOP || reason == v1::FINISH_REASON_LENGTH ||
         reason == v1::FINISH_REASON_CANCELLED;
}

void SmgAnswer::Keep(const v1::Token& token) {
  all_.add_output_ids(static_cast<uint32_t>(token.id()));
  if (token.has_logprob()) AddLogprobs(token, all_.mutable_output_logprobs());
}

void SmgAnswer::Add(const v1::GenerateResponse& event, uint32_t prompt_tokens,
                    smg::GenerateResponse* message) {
  if (event.has_finished()) return Complete(event.finished(), message);
  smg::GenerateStreamChunk* chunk = message->mutable_chunk();
  for (const v1::Token& token : event.tokens().tokens()) {
    Keep(token);
    chunk->add_token_ids(static_cast<uint32_t>(token.id()));
    if (token.has_logprob()) AddLogprobs(token, chunk->mutable_output_logprobs());
  }
  chunk->set_prompt_tokens(prompt_tokens);
  chunk->set_completion_tokens(static_cast<uint32_t>(all_.output_ids_size()));
}

void SmgAnswer::AddAll(const v1::GenerateOnceResponse& answer, smg::GenerateResponse* message) {
  for (const v1::Token& token : answer.tokens()) Keep(token);
  Complete(answer.finished(), message);
}

void SmgAnswer::Complete(const v1::Finished& finished, smg::GenerateResponse* message) {
  smg::GenerateComplete* complete = message->mutable_complete();
  complete->Swap(&all_);
  complete->set_finish_reason(SmgReason(finished.reason()));
  complete->set_prompt_tokens(finished.usage().prompt_tokens());
  complete->set_completion_tokens(finished.usage().completion_tokens());
  complete->set_cached_tokens(finished.usage().cached_prompt_tokens());
  if (finished.has_stop_string()) complete->set_matched_stop_str(finished.stop_string());
  if (finished.has_stop_token_id()) {
    complete->set_matched_token_id(static_cast<uint32_t>(finished.stop_token_id()));
  }
  if (!finished.has_kv_transfer_params()) return;
  std::string text;
  if (google::protobuf::util::MessageToJsonString(finished.kv_transfer_params(), &text).ok()) {
    complete->set_kv_transfer_params_json(text);
  }
}

}  // namespace waferline::engines
