#include "wafer_backend/compute/sampling/sampler.h"

#include <algorithm>
#include <cmath>

#include "wafer_backend/compute/sampling/allowed.h"
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

// The `count` most likely tokens.
std::vector<TokenLogprob> TopOf(std::span<const float> logits, const Distribution& distribution,
                                int32_t count, Workspace* workspace) {
  std::vector<TokenLogprob> top;
  if (count <= 0) return top;
  LargestOf(logits, static_cast<size_t>(count), &workspace->candidates);
  top.reserve(workspace->candidates.size());
  for (const auto& [logit, id] : workspace->candidates) {
    top.push_back({id, distribution.LogprobOf(logit)});
  }
  return top;
}

}  // namespace

Sampler::Sampler(SamplingSpec spec, std::span<const TokenId> prompt,
                 std::span<const TokenId> generated)
    : spec_(std::make_unique<const SamplingSpec>(std::move(spec))),
      stream_(spec_->seed),
      penalties_(spec_.get(), prompt, generated),
      next_(static_cast<uint32_t>(generated.size())) {
  if (spec_->constraint == nullptr) return;
  constraint_ = spec_->constraint->Start();
  for (const TokenId id : generated) constraint_->Append(id);
}

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
  std::shared_ptr<const AllowedTokens> allowed;
  if (constraint_ != nullptr) allowed = constraint_->Allowed();
  const bool changed = penalised || allowed != nullptr;
  if (wants_logprobs) {
    distribution = DistributionOf(logits, largest, workspace);
    value.top = TopOf(logits, distribution, spec_->top_logprobs, workspace);
  }
  if (!changed && spec_->temperature <= 0) {
    value.id = FirstEqual(logits, largest);
  } else {
    // The chosen token's raw logit is needed after the row was changed.
    std::vector<float> raw;
    if (wants_logprobs && changed) raw.assign(logits.begin(), logits.end());
    if (penalised) {
      const bool must_end = allowed != nullptr && allowed->ends_only;
      penalties_.Apply(must_end ? std::max(next_, spec_->min_tokens) : next_, logits);
    }
    if (allowed != nullptr) KeepAllowed(*allowed, workspace, logits);
    value.id = Draw(*spec_, logits, stream_.UniformAt(next_), workspace);
    if (!raw.empty()) chosen_logit = raw[value.id];
  }
  if (wants_logprobs) {
    if (!changed) chosen_logit = logits[value.id];
    value.logprob = distribution.LogprobOf(chosen_logit);
  }
  penalties_.Append(value.id);
  if (constraint_ != nullptr) constraint_->Append(value.id);
  ++next_;
  return value;
}

TokenValue Logprobs(TokenId id, int32_t top, std::span<float> logits, Workspace* workspace) {
  const float largest = CleanAndFindLargest(logits);
  const Distribution distribution = DistributionOf(logits, largest, workspace);
  TokenValue value;
  value.id = id;
  value.logprob = distribution.LogprobOf(logits[id]);
  value.top = TopOf(logits, distribution, top, workspace);
  return value;
}

}  // namespace waferline::sampling
