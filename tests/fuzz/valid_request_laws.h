// What the engine relies on: every request that a front end hands over keeps it, whatever it was
// made of.
#pragma once

#include "scheduler/request/valid_request.h"
#include "server/serving/limits.h"
#include "server/text/served_model.h"
#include "wafer_backend/base/check.h"

namespace waferline::fuzz {

inline void CheckRequest(const ValidRequest& request, const text::ServedModel& model) {
  const SamplingSpec& spec = request.sampling;
  WL_CHECK(!request.prompt->empty());
  WL_CHECK(static_cast<int64_t>(request.prompt->size()) + request.max_tokens <=
           model.context_tokens.count());
  for (const TokenId id : *request.prompt) WL_CHECK(model.tokenizer->valid(id));
  for (const TokenId id : spec.end_ids) WL_CHECK(model.tokenizer->valid(id));
  for (const auto& [id, bias] : spec.logit_bias) {
    WL_CHECK(model.tokenizer->valid(id) && bias >= -100 && bias <= 100);
  }
  WL_CHECK(spec.temperature >= 0 && spec.temperature <= 2);
  WL_CHECK(spec.top_p > 0 && spec.top_p <= 1);
  WL_CHECK(spec.min_p >= 0 && spec.min_p <= 1);
  WL_CHECK(spec.repetition_penalty > 0);
  WL_CHECK(spec.frequency_penalty >= -2 && spec.frequency_penalty <= 2);
  WL_CHECK(spec.presence_penalty >= -2 && spec.presence_penalty <= 2);
  WL_CHECK(spec.min_tokens <= request.max_tokens);
  WL_CHECK(spec.top_logprobs >= -1 && spec.top_logprobs <= serving::kMaxTopLogprobs);
  WL_CHECK(!request.deadline || request.deadline->count() > 0);
  WL_CHECK(!request.own_arrival || request.own_arrival->at >= Nanoseconds());
}

}  // namespace waferline::fuzz
