// One draw from one row of logits: temperature, then top-k, then top-p over what top-k kept, then
// min-p. All three keep the front of the same order (largest logit first, the smaller id on a tie),
// so the result is the shortest of the fronts; the draw picks from it in proportion to its weights.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "wafer_backend/api/sampling.h"
#include "wafer_backend/base/ids.h"

namespace waferline::sampling {

// Room that draws reuse; one for each thread.
struct Workspace {
  std::vector<float> weights;
  std::vector<std::pair<float, TokenId>> candidates;
  std::vector<float> values;
  std::vector<float> kept;
};

// The largest logit, the smaller id on a tie; 0 if everything is masked.
TokenId Greedy(std::span<const float> logits);

// Draws with `uniform` in [0, 1) from clean logits that may hold kMasked. Temperature 0 is greedy.
// Cost: O(vocabulary), and a sort of what the limits keep only.
TokenId Draw(const SamplingSpec& spec, std::span<const float> logits, double uniform,
             Workspace* workspace);

}  // namespace waferline::sampling
