#include "wafer_backend/compute/sampling/penalties.h"

#include <algorithm>
#include <cfloat>

#include "wafer_backend/compute/sampling/logit_scan.h"

namespace waferline::sampling {

Penalties::Penalties(const SamplingSpec* spec, std::span<const TokenId> prompt,
                     std::span<const TokenId> generated)
    : spec_(spec),
      counts_(spec->repetition_penalty != 1.0f || spec->frequency_penalty != 0.0f ||
              spec->presence_penalty != 0.0f) {
  if (!counts_) return;
  if (spec->repetition_penalty != 1.0f) {
    for (const TokenId id : prompt) seen_[id].in_text = true;
  }
  for (const TokenId id : generated) Append(id);
}

void Penalties::Append(TokenId generated) {
  if (!counts_) return;
  Seen& seen = seen_[generated];
  seen.in_text = true;
  ++seen.generated;
}

bool Penalties::Active(uint32_t index) const {
  return !spec_->logit_bias.empty() || !seen_.empty() ||
         (index < spec_->min_tokens && !spec_->end_ids.empty());
}

void Penalties::Apply(uint32_t index, std::span<float> logits) const {
  const auto inside = [&](TokenId id) {
    return id >= 0 && static_cast<size_t>(id) < logits.size();
  };
  const auto bounded = [](float x) { return std::min(std::max(x, -FLT_MAX), FLT_MAX); };
  for (const auto& [id, bias] : spec_->logit_bias) {
    if (inside(id)) logits[id] = bounded(logits[id] + bias);
  }
  // Each entry changes its own logit only, so the map's order does not matter.
  for (const auto& [id, seen] : seen_) {
    if (!inside(id)) continue;
    float x = logits[id];
    if (seen.in_text) {
      x = x > 0 ? x / spec_->repetition_penalty : x * spec_->repetition_penalty;
    }
    if (seen.generated > 0) {
      x -= spec_->frequency_penalty * static_cast<float>(seen.generated);
      x -= spec_->presence_penalty;
    }
    logits[id] = bounded(x);
  }
  if (index < spec_->min_tokens) {
    for (const TokenId id : spec_->end_ids) {
      if (inside(id)) logits[id] = kMasked;
    }
  }
}

}  // namespace waferline::sampling
