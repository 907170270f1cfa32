// The draw written the obvious way: full sorts, doubles, std::exp. What the product must agree
// with.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "wafer_backend/api/sampling.h"

namespace waferline::sampling {

struct ObviousFront {
  std::vector<TokenId> order;  // what may be drawn, in the order of the draw
  std::vector<double> share;   // of the whole, cumulative
};

inline ObviousFront ObviousDistribution(const SamplingSpec& spec,
                                        const std::vector<float>& logits) {
  ObviousFront front;
  front.order.resize(logits.size());
  std::iota(front.order.begin(), front.order.end(), 0);
  const bool limited =
      (spec.top_k > 0 && spec.top_k < logits.size()) || spec.top_p < 1 || spec.min_p > 0;
  const double largest = *std::max_element(logits.begin(), logits.end());
  const auto weight = [&](TokenId id) {
    return std::exp((static_cast<double>(logits[id]) - largest) / spec.temperature);
  };
  if (limited) {
    std::stable_sort(front.order.begin(), front.order.end(),
                     [&](TokenId a, TokenId b) { return logits[a] > logits[b]; });
  }
  if (spec.top_k > 0 && spec.top_k < front.order.size()) front.order.resize(spec.top_k);
  if (spec.top_p < 1) {
    double total = 0, sum = 0;
    for (const TokenId id : front.order) total += weight(id);
    size_t keep = 0;
    while (keep < front.order.size() && sum < static_cast<double>(spec.top_p) * total) {
      sum += weight(front.order[keep++]);
    }
    front.order.resize(std::max<size_t>(keep, 1));
  }
  if (spec.min_p > 0) {
    while (front.order.size() > 1 && weight(front.order.back()) < spec.min_p) {
      front.order.pop_back();
    }
  }
  double total = 0;
  for (const TokenId id : front.order) front.share.push_back(total += weight(id));
  for (double& share : front.share) share /= total;
  return front;
}

}  // namespace waferline::sampling
