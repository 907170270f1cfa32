#include "server/engines/vllm_request.h"

#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/engines/codec_parts.h"
#include "server/rpc/rpc_status.h"
#include "wafer_backend/base/status.h"

namespace waferline::engines {
namespace {

using rpc::FieldError;

constexpr uint32_t kDefaultMaxTokens = 20;  // vllm-proto 0.6.0, StoppingCriteria.max_new_tokens

constexpr std::string_view kNotWithVllm[] = {
    "truncate_prompt_tokens",
    "media",
    "lora_name",
    "kv_hints",
    "decoding.allowed_token_ids",
    "decoding.structural_tag",
    "decoding.bad_words_token_ids",
    "stopping.include_stop_strings",
    "response.prompt_token_ids",
    "response.prompt_logprobs",
    "response.prompt_candidates",
    "response.output_logprobs",
    "response.output_candidates",
    "kv.bypass_prefix_cache",
    "kv.ec_transfer_params",
};

// waferline.v1's name, vllm's. The first that fits.
constexpr std::pair<std::string_view, std::string_view> kVllmNames[] = {
    {"sampling.temperature", "temperature"},
    {"sampling.repetition_penalty", "decoding.repetition_penalty"},
    {"sampling.frequency_penalty", "decoding.frequency_penalty"},
    {"sampling.presence_penalty", "decoding.presence_penalty"},
    {"sampling.logit_bias", "decoding.logit_bias"},
    {"stop.max_tokens", "stopping.max_new_tokens"},
    {"stop.min_tokens", "stopping.min_new_tokens"},
    {"stop.strings", "stopping.stop_strings"},
    {"stop.token_ids", "stopping.stop_token_ids"},
    {"scheduling.cache_salt", "kv.cache_salt"},
    {"constraint.json_schema", "decoding.json"},
    {"constraint.", "decoding."},
    {"kv_transfer_params", "kv.kv_transfer_params"},
    {"input", "prompt"},
};

absl::Status RefuseNotDone(const ::vllm::GenerateRequest& message) {
  WL_RETURN_IF_ERROR(RefuseFields(message, kNotWithVllm));
  if (message.sampling().num_sequences() > 1) {
    return FieldError("sampling.num_sequences", "must be 0 or 1");
  }
  if (message.stopping().has_thinking_token_budget() &&
      message.stopping().thinking_token_budget() != -1) {
    return FieldError("stopping.thinking_token_budget",
                      "is not supported over this protocol; leave it out or give -1");
  }
  const ::vllm::ResponseOptions& response = message.response();
  if (response.has_skip_special_tokens() && !response.skip_special_tokens() &&
      (!response.has_output_text() || response.output_text())) {
    return FieldError("response.skip_special_tokens",
                      "false is not supported over this protocol where output_text is wanted");
  }
  const bool constrained = message.decoding().structured_output_case() !=
                           ::vllm::DecodingParameters::STRUCTURED_OUTPUT_NOT_SET;
  if (constrained && message.has_engine_reasoning_gate() &&
      !message.engine_reasoning_gate().reasoning_ended()) {
    return FieldError("engine_reasoning_gate",
                      "must say reasoning_ended: a constraint holds from the first token on");
  }
  return absl::OkStatus();
}

absl::Status ReadDecoding(const ::vllm::DecodingParameters& from, v1::GenerateRequest* to) {
  v1::SamplingParams* sampling = to->mutable_sampling();
  if (from.presence_penalty() != 0) sampling->set_presence_penalty(from.presence_penalty());
  if (from.frequency_penalty() != 0) sampling->set_frequency_penalty(from.frequency_penalty());
  if (from.repetition_penalty() != 0) sampling->set_repetition_penalty(from.repetition_penalty());
  for (const auto& [id, bias] : from.logit_bias()) {
    if (id > static_cast<uint32_t>(std::numeric_limits<int32_t>::max())) {
      return FieldError(absl::StrCat("decoding.logit_bias[", id, "]"),
                        "is not a token of this model");
    }
    (*sampling->mutable_logit_bias())[static_cast<int32_t>(id)] = bias;
  }
  switch (from.structured_output_case()) {
    case ::vllm::DecodingParameters::kJson:
      to->mutable_constraint()->set_json_schema(from.json());
      break;
    case ::vllm::DecodingParameters::kRegex:
      to->mutable_constraint()->set_regex(from.regex());
      break;
    case ::vllm::DecodingParameters::kChoice:
      *to->mutable_constraint()->mutable_choice()->mutable_texts() = from.choice().choices();
      break;
    case ::vllm::DecodingParameters::kGrammar:
      to->mutable_constraint()->set_grammar(from.grammar());
      break;
    case ::vllm::DecodingParameters::kJsonObject:
      to->mutable_constraint()->set_json_object(from.json_object());
      break;
    default:
      break;
  }
  return absl::OkStatus();
}

absl::Status ReadStopping(const ::vllm::StoppingCriteria& from, v1::StopConditions* to) {
  to->set_max_tokens(from.max_new_tokens() > 0 ? from.max_new_tokens() : kDefaultMaxTokens);
  if (from.min_new_tokens() > 0) to->set_min_tokens(from.min_new_tokens());
  *to->mutable_strings() = from.stop_strings();
  to->set_ignore_eos(from.ignore_eos());
  return ReadIds("stopping.stop_token_ids", from.stop_token_ids(), to->mutable_token_ids());
}

void ReadSampling(const ::vllm::GenerateRequest& from, v1::SamplingParams* to) {
  const ::vllm::RandomSampling& sampling = from.sampling();
  to->set_temperature(from.temperature());
  if (sampling.has_top_k()) to->set_top_k(sampling.top_k());
  if (sampling.has_top_p()) to->set_top_p(sampling.top_p());
  if (sampling.has_min_p()) to->set_min_p(sampling.min_p());
  if (sampling.has_seed()) to->set_seed(static_cast<uint64_t>(sampling.seed()));
}

}  // namespace

absl::StatusOr<v1::GenerateRequest> ReadVllmRequest(const ::vllm::GenerateRequest& message,
                                                    const EngineFacts& facts) {
  WL_RETURN_IF_ERROR(RefuseNotDone(message));
  v1::GenerateRequest read;
  read.set_request_id(message.request_id());
  const bool the_one = message.model().empty() || message.model() == facts.model_source;
  read.set_model(the_one ? facts.model : message.model());
  if (message.has_text()) read.set_text(message.text());
  if (message.has_token_ids()) {
    WL_RETURN_IF_ERROR(ReadIds("token_ids.ids", message.token_ids().ids(),
                               read.mutable_token_ids()->mutable_ids()));
  }
  ReadSampling(message, read.mutable_sampling());
  WL_RETURN_IF_ERROR(ReadDecoding(message.decoding(), &read));
  WL_RETURN_IF_ERROR(ReadStopping(message.stopping(), read.mutable_stop()));
  read.mutable_scheduling()->set_priority(message.priority());
  read.mutable_scheduling()->set_cache_salt(message.kv().cache_salt());
  if (message.kv().has_kv_transfer_params()) {
    *read.mutable_kv_transfer_params() = message.kv().kv_transfer_params();
  }
  return read;
}

absl::Status InVllmNames(const absl::Status& status) { return InNames(kVllmNames, status); }

}  // namespace waferline::engines
