#include "server/rpc/sampling_codec.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/rpc/rpc_status.h"
#include "server/serving/limits.h"
#include "wafer_backend/base/number_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::rpc {
namespace {

// [min, max]; also refuses NaN.
absl::Status CheckRange(std::string_view field, float value, float min, float max) {
  if (value >= min && value <= max) return absl::OkStatus();
  return FieldError(absl::StrCat("sampling.", Absl(field)),
                    absl::StrCat("must be from ", min, " to ", max, ", not ", NumberText(value)));
}

absl::Status CheckToken(const std::string& field, TokenId id, const model::Tokenizer& tokenizer) {
  if (tokenizer.valid(id)) return absl::OkStatus();
  return FieldError(field, absl::StrCat(id, " is not a token of this model; ids go from 0 to ",
                                        tokenizer.size() - 1));
}

absl::Status DecodeLogitBias(const v1::SamplingParams& in, const model::Tokenizer& tokenizer,
                             SamplingSpec* spec) {
  if (static_cast<size_t>(in.logit_bias_size()) > serving::kMaxLogitBias) {
    return FieldError("sampling.logit_bias",
                      absl::StrCat("must have at most ", serving::kMaxLogitBias, " entries"));
  }
  for (const auto& [id, bias] : in.logit_bias()) {
    const std::string field = absl::StrCat("logit_bias[", id, "]");
    WL_RETURN_IF_ERROR(CheckToken("sampling." + field, id, tokenizer));
    WL_RETURN_IF_ERROR(CheckRange(field, bias, -100, 100));
    spec->logit_bias.emplace_back(id, bias);
  }
  // A map of the wire has no order; equal requests are equal.
  std::sort(spec->logit_bias.begin(), spec->logit_bias.end());
  return absl::OkStatus();
}

absl::Status DecodeEnds(const v1::StopConditions& stop, const model::Tokenizer& tokenizer,
                        SamplingSpec* spec) {
  spec->min_tokens = stop.min_tokens();
  if (!stop.ignore_eos()) spec->end_ids = tokenizer.end_ids();
  if (static_cast<size_t>(stop.token_ids_size()) > serving::kMaxStopTokenIds) {
    return FieldError("stop.token_ids",
                      absl::StrCat("must be at most ", serving::kMaxStopTokenIds));
  }
  for (int i = 0; i < stop.token_ids_size(); ++i) {
    WL_RETURN_IF_ERROR(
        CheckToken(absl::StrCat("stop.token_ids[", i, "]"), stop.token_ids(i), tokenizer));
    spec->end_ids.push_back(stop.token_ids(i));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SamplingSpec> DecodeSampling(const v1::GenerateRequest& message,
                                            uint64_t fallback_seed,
                                            const text::ServedModel& model) {
  const v1::SamplingParams& in = message.sampling();
  const model::Tokenizer& tokenizer = *model.tokenizer;
  SamplingSpec spec;
  spec.temperature = model.temperature;
  if (in.has_temperature()) spec.temperature = in.temperature();
  if (in.has_top_p()) spec.top_p = in.top_p();
  if (in.has_top_k()) spec.top_k = in.top_k();
  if (in.has_min_p()) spec.min_p = in.min_p();
  if (in.has_repetition_penalty()) spec.repetition_penalty = in.repetition_penalty();
  if (in.has_frequency_penalty()) spec.frequency_penalty = in.frequency_penalty();
  if (in.has_presence_penalty()) spec.presence_penalty = in.presence_penalty();
  spec.seed = in.has_seed() ? in.seed() : fallback_seed;
  WL_RETURN_IF_ERROR(CheckRange("temperature", spec.temperature, 0, 2));
  if (!(spec.top_p > 0 && spec.top_p <= 1)) {
    return FieldError("sampling.top_p",
                      absl::StrCat("must be above 0 and at most 1, not ", NumberText(spec.top_p)));
  }
  WL_RETURN_IF_ERROR(CheckRange("min_p", spec.min_p, 0, 1));
  WL_RETURN_IF_ERROR(CheckRange("repetition_penalty", spec.repetition_penalty, 0.01f, 100));
  WL_RETURN_IF_ERROR(CheckRange("frequency_penalty", spec.frequency_penalty, -2, 2));
  WL_RETURN_IF_ERROR(CheckRange("presence_penalty", spec.presence_penalty, -2, 2));
  WL_RETURN_IF_ERROR(DecodeLogitBias(in, tokenizer, &spec));
  WL_RETURN_IF_ERROR(DecodeEnds(message.stop(), tokenizer, &spec));

  const v1::OutputOptions& output = message.output();
  if (output.top_logprobs() > serving::kMaxTopLogprobs) {
    return FieldError("output.top_logprobs",
                      absl::StrCat("must be at most ", serving::kMaxTopLogprobs));
  }
  if (output.has_top_logprobs()) spec.top_logprobs = static_cast<int32_t>(output.top_logprobs());
  spec.prompt_logprobs = output.prompt_logprobs();
  if (spec.prompt_logprobs && spec.top_logprobs < 0) spec.top_logprobs = 0;
  return spec;
}

}  // namespace waferline::rpc
