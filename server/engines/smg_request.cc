#include "server/engines/smg_request.h"

#include <google/protobuf/util/json_util.h>

#include <string_view>
#include <utility>

#include "server/engines/codec_parts.h"
#include "server/rpc/rpc_status.h"
#include "wafer_backend/base/status.h"

namespace waferline::engines {
namespace {

namespace smg = ::vllm::grpc::engine;
using rpc::FieldError;

constexpr size_t kMaxParamsBytes = 64 * 1024;

constexpr std::string_view kNotWithSmg[] = {
    "kv_transfer_params",
    "mm_inputs",
    "extra_mm_inputs",
    "media_refs",
    "sampling_params.structural_tag",
    "sampling_params.include_stop_str_in_output",
    "sampling_params.prompt_logprobs",
    "sampling_params.truncate_prompt_tokens",
};

// waferline.v1's name, this protocol's. The first that fits.
constexpr std::pair<std::string_view, std::string_view> kSmgNames[] = {
    {"sampling.", "sampling_params."},
    {"stop.strings", "sampling_params.stop"},
    {"stop.token_ids", "sampling_params.stop_token_ids"},
    {"stop.", "sampling_params."},
    {"output.top_logprobs", "sampling_params.logprobs"},
    {"constraint.", "sampling_params."},
    {"kv_transfer_params", "kv_transfer_params_json"},
    {"token_ids.ids", "tokenized.input_ids"},
};

// proto3's zeros stand for what vLLM's parameters are by default.
void ReadSampling(const smg::SamplingParams& from, v1::SamplingParams* to) {
  if (from.has_temperature()) to->set_temperature(from.temperature());
  if (from.top_p() > 0) to->set_top_p(from.top_p());
  to->set_top_k(from.top_k());
  to->set_min_p(from.min_p());
  to->set_frequency_penalty(from.frequency_penalty());
  to->set_presence_penalty(from.presence_penalty());
  if (from.repetition_penalty() > 0) to->set_repetition_penalty(from.repetition_penalty());
  if (from.has_seed()) to->set_seed(static_cast<uint64_t>(int64_t{from.seed()}));
  *to->mutable_logit_bias() = from.logit_bias();
}

absl::Status ReadStopping(const smg::SamplingParams& from, v1::StopConditions* to) {
  if (from.has_max_tokens()) to->set_max_tokens(from.max_tokens());
  if (from.min_tokens() > 0) to->set_min_tokens(from.min_tokens());
  *to->mutable_strings() = from.stop();
  to->set_ignore_eos(from.ignore_eos());
  return ReadIds("sampling_params.stop_token_ids", from.stop_token_ids(), to->mutable_token_ids());
}

void ReadConstraint(const smg::SamplingParams& from, v1::GenerateRequest* to) {
  switch (from.constraint_case()) {
    case smg::SamplingParams::kJsonSchema:
      return to->mutable_constraint()->set_json_schema(from.json_schema());
    case smg::SamplingParams::kRegex:
      return to->mutable_constraint()->set_regex(from.regex());
    case smg::SamplingParams::kGrammar:
      return to->mutable_constraint()->set_grammar(from.grammar());
    case smg::SamplingParams::kJsonObject:
      return to->mutable_constraint()->set_json_object(from.json_object());
    case smg::SamplingParams::kChoice:
      *to->mutable_constraint()->mutable_choice()->mutable_texts() = from.choice().choices();
      return;
    default:
      return;
  }
}

absl::Status ReadParams(const std::string& text, google::protobuf::Struct* fields) {
  if (text.size() <= kMaxParamsBytes &&
      google::protobuf::util::JsonStringToMessage(text, fields).ok()) {
    return absl::OkStatus();
  }
  return FieldError("kv_transfer_params_json", "must be a JSON object of at most 64 KiB");
}

}  // namespace

absl::StatusOr<v1::GenerateRequest> ReadSmgRequest(const smg::GenerateRequest& message,
                                                   const EngineFacts& facts) {
  WL_RETURN_IF_ERROR(RefuseFields(message, kNotWithSmg));
  const smg::SamplingParams& params = message.sampling_params();
  if (params.n() > 1) return FieldError("sampling_params.n", "must be 0 or 1");
  if (message.has_data_parallel_rank() && message.data_parallel_rank() != 0) {
    return FieldError("data_parallel_rank", "must be 0: there is one rank");
  }
  v1::GenerateRequest read;
  read.set_request_id(message.request_id());
  read.set_model(facts.model);
  if (message.has_text()) read.set_text(message.text());
  if (message.has_tokenized()) {
    WL_RETURN_IF_ERROR(ReadIds("tokenized.input_ids", message.tokenized().input_ids(),
                               read.mutable_token_ids()->mutable_ids()));
  }
  ReadSampling(params, read.mutable_sampling());
  WL_RETURN_IF_ERROR(ReadStopping(params, read.mutable_stop()));
  ReadConstraint(params, &read);
  if (params.has_logprobs()) {
    if (params.logprobs() < 0) return FieldError("sampling_params.logprobs", "must be 0 or above");
    read.mutable_output()->set_top_logprobs(static_cast<uint32_t>(params.logprobs()));
  }
  if (message.has_kv_transfer_params_json()) {
    WL_RETURN_IF_ERROR(
        ReadParams(message.kv_transfer_params_json(), read.mutable_kv_transfer_params()));
  }
  return read;
}

absl::Status InSmgNames(const absl::Status& status) { return InNames(kSmgNames, status); }

}  // namespace waferline::engines
