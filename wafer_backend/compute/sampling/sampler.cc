#include "wafer_backend/compute/sampling/sampler.h"

#include <algorithm>
#include <cmath>

#include "wafer_backend/compute/sampling/logit_scan.h"

namespace waferline::sampling {
namespace {

// The distribution of clean logits: log p(x) = x - largest - log_sum.
struct Distribution {
  float largest;
  double log_sum;
  float LogprobOf(float logit) const {
    return static_cast<float>(static_cast<double>(logit) - largest - log_sum);
  }
};

Distribution DistributionOf(std::span<const float> logits, float largest, Workspace* workspace) {
  workspace->weights.resize(logits.size());
  return {largest, std::log(ExpAll(logits, largest, 1.0f, workspace->weights))};
}

void FillTop(std::span<const float> logits, const Distribution& distribution, int32_t count,
             TokenValue* value, Workspace* workspace) {
  if (count <= 0) return;
  LargestOf(logits, static_cast<size_t>(count), &workspace->candidates);
  value->top.reserve(workspace->candidates.size());
  for (const auto& [logit, id] : workspace->candidates) {
    value->top.push_back({id, distribution.LogprobOf(logit)});
  }
}

}  // namespace

Sampler::Sampler(SamplingSpec spec, std::span<const TokenId> prompt,
                 std::span<const TokenId> generated)
    : spec_(std::make_unique<const SamplingSpec>(std::move(spec))),
      stream_(spec_->seed),
      penalties_(spec_.get(), prompt, generated),
      next_(static_cast<uint32_t>(generated.size())) {}

bool Sampler::Ends(TokenId id) const {
  return std::find(spec_->end_ids.begin(), spec_->end_ids.end(), id) != spec_->end_ids.end();
}

TokenValue Sampler::Next(std::span<float> logits, Workspace* workspace) {
  const float largest = CleanAndFindLargest(logits);
  TokenValue value;
  Distribution distribution{};
  float chosen_logit = 0;
  const bool wants_logprobs = spec_->top_logprobs >= 0;
  const bool penalised = penalties_.Active(next_);
  if (wants_logprobs) {
    distribution = DistributionOf(logits, largest, workspace);
    FillTop(logits, distribution, spec_->top_logprobs, &value, workspace);
  }
  if (!penalised && spec_->temperature <= 0) {
    value.id = FirstEqual(logits, largest);
  } else {
    // The chosen token's raw logit is needed after the penalties have changed the row.
    std::vector<float> raw;
    if (wants_logprobs && penalised) raw.assign(logits.begin(), logits.end());
    if (penalised) penalties_.Apply(next_, logits);
    value.id = Draw(*spec_, logits, stream_.UniformAt(next_), workspace);
    if (!raw.empty()) chosen_logit = raw[value.id];
  }
  if (wants_logprobs) {
    if (!penalised) chosen_logit = logits[value.id];
    value.logprob = distribution.LogprobOf(chosen_logit);
  }
  penalties_.Append(value.id);
  ++next_;
  return value;
}

TokenValue Logprobs(TokenId id, int32_t top, std::span<float> logits, Workspace* workspace) {
  const float largest = CleanAndFindLargest(logits);
  const Distribution distribution = DistributionOf(logits, largest, workspace);
  TokenValue value;
  value.id = id;
  value.logprob = distribution.LogprobOf(logits[id]);
  FillTop(logits, distribution, top, &value, workspace);
  return value;
}

}  // namespace waferline::sampling
