#include "wafer_backend/compute/sampling/draw.h"

#include <algorithm>
#include <cmath>

#include "wafer_backend/compute/sampling/logit_scan.h"

namespace waferline::sampling {
namespace {

using Candidates = std::vector<std::pair<float, TokenId>>;

// No limit set: walks the vocabulary in the order of ids, a block at a time.
TokenId DrawFromAll(std::span<const float> weights, double target) {
  double before = 0;
  TokenId last = 0;  // rounding may leave the target a hair above the last sum
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    before += weights[i];
    last = static_cast<TokenId>(i);
    if (before > target) return last;
  }
  return last;
}

// How many of the sorted candidates top-p keeps: the fewest whose weights reach `wanted`; size + 1
// if all together do not.
size_t FrontReaching(const std::vector<float>& weights, double wanted) {
  double sum = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    sum += weights[i];
    if (sum >= wanted) return i + 1;
  }
  return weights.size() + 1;
}

// One of the first `count` sorted candidates, whose weights these are.
TokenId DrawFromFront(const Candidates& front, const std::vector<float>& weights, size_t count,
                      double uniform) {
  double mass = 0;
  for (size_t i = 0; i < count; ++i) mass += weights[i];
  const double target = uniform * mass;
  double sum = 0;
  for (size_t i = 0; i < count; ++i) {
    sum += weights[i];
    if (sum > target) return front[i].second;
  }
  return front[count - 1].second;
}

}  // namespace

TokenId Greedy(std::span<const float> logits) {
  const float largest = FindLargest(logits);
  return largest == kMasked ? 0 : FirstEqual(logits, largest);
}

TokenId Draw(const SamplingSpec& spec, std::span<const float> logits, double uniform,
             Workspace* workspace) {
  const float largest = FindLargest(logits);
  if (largest == kMasked) return 0;
  if (spec.temperature <= 0) return FirstEqual(logits, largest);
  const float scale = std::min(1.0f / spec.temperature, 1e30f);  // finite for any temperature
  const size_t vocabulary = logits.size();
  const bool limited_k = spec.top_k > 0 && spec.top_k < vocabulary;
  const bool limited_p = spec.top_p < 1.0f;

  std::vector<float>& weights = workspace->weights;
  double total = 0;
  if (!limited_k) {
    weights.resize(vocabulary);
    total = ExpAll(logits, largest, scale, weights);
    if (!limited_p && spec.min_p <= 0) return DrawFromAll(weights, uniform * total);
  }

  // The front is taken in growing pieces until it is certain to hold everything that stays: only
  // what may be drawn is ever sorted.
  Candidates& front = workspace->candidates;
  std::vector<float>& kept = workspace->kept;
  size_t count = limited_k ? spec.top_k : std::min<size_t>(vocabulary, 64);
  size_t stays = 0;
  while (true) {
    LargestOf(logits, count, &front);
    kept.resize(front.size());
    std::vector<float>& values = workspace->values;
    values.resize(front.size());
    for (size_t i = 0; i < front.size(); ++i) values[i] = front[i].first;
    const double sum = ExpAll(values, largest, scale, kept);
    stays = front.size();
    bool certain = limited_k || front.size() < count || count == vocabulary;
    if (limited_p) {
      const size_t reach =
          FrontReaching(kept, static_cast<double>(spec.top_p) * (limited_k ? sum : total));
      certain |= reach <= front.size();
      stays = std::min(stays, reach);
    }
    if (spec.min_p > 0) {
      // Relative to the largest probability, whose weight is 1.
      const size_t reach = static_cast<size_t>(
          std::partition_point(kept.begin(), kept.end(),
                               [&](float weight) { return weight >= spec.min_p; }) -
          kept.begin());
      certain |= reach < front.size();
      stays = std::min(stays, reach);
    }
    if (certain) break;
    count = std::min(vocabulary, count * 8);
  }
  return DrawFromFront(front, kept, std::max<size_t>(stays, 1), uniform);
}

}  // namespace waferline::sampling
