// How a prefill worker fills a step. Stateless.
#pragma once

#include <algorithm>
#include <cstdint>

namespace waferline::policy {

// Chunked prefill under a token budget: the prompts of a worker in their order, each as far as the
// budget goes, so that one long prompt is spread over steps and short ones fill what it leaves.
constexpr int64_t NextChunk(int64_t budget_left, int64_t remaining) {
  return std::min(budget_left, remaining);
}

}  // namespace waferline::policy
