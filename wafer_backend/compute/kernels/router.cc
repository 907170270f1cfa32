#include "wafer_backend/compute/kernels/router.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/kernels/rows.h"

namespace waferline::kernels {
namespace {

using Scores = std::array<float, Router::kMaxExperts>;
using Allowed = std::bitset<Router::kMaxExperts>;

// The index of the largest allowed value, the lowest among equals; whatever the values are, NaN
// too, one that is allowed. Some are.
int64_t Largest(const float* values, int64_t count, const Allowed& allowed) {
  int64_t best = -1;
  for (int64_t i = 0; i < count; ++i) {
    if (allowed[static_cast<size_t>(i)] && (best < 0 || values[i] > values[best])) best = i;
  }
  return best;
}

float RankOfGroup(const Router& router, const float* ranks) {
  const int64_t size = router.experts / router.groups;
  float largest = ranks[0], second = 0;
  for (int64_t i = 1; i < size; ++i) {
    second = i == 1 ? std::min(largest, ranks[i]) : std::max(second, std::min(largest, ranks[i]));
    largest = std::max(largest, ranks[i]);
  }
  return router.group_rank == Router::GroupRank::kTwoLargest ? largest + second : largest;
}

// The experts of the best groups.
Allowed AllowedExperts(const Router& router, const Scores& ranks) {
  Allowed allowed;
  const int64_t size = router.experts / router.groups;
  if (router.groups == 1) {
    for (int64_t e = 0; e < router.experts; ++e) allowed.set(static_cast<size_t>(e));
    return allowed;
  }
  Scores group_ranks;
  Allowed left;
  for (int64_t g = 0; g < router.groups; ++g) {
    group_ranks[static_cast<size_t>(g)] = RankOfGroup(router, ranks.data() + g * size);
    left.set(static_cast<size_t>(g));
  }
  for (int64_t i = 0; i < router.chosen_groups; ++i) {
    const int64_t group = Largest(group_ranks.data(), router.groups, left);
    left.reset(static_cast<size_t>(group));
    for (int64_t e = group * size; e < (group + 1) * size; ++e) {
      allowed.set(static_cast<size_t>(e));
    }
  }
  return allowed;
}

absl::Status OutOfRange(const char* field, int64_t value, int64_t max) {
  return absl::InvalidArgumentError(
      absl::StrCat("router: ", field, " is ", value, ", must be 1 to ", max));
}

}  // namespace

absl::Status Router::Check() const {
  if (experts < 1 || experts > kMaxExperts) return OutOfRange("experts", experts, kMaxExperts);
  if (groups < 1 || groups > experts || experts % groups != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("router: groups is ", groups, ", must divide the ", experts, " experts"));
  }
  if (chosen_groups < 1 || chosen_groups > groups) {
    return OutOfRange("chosen_groups", chosen_groups, groups);
  }
  const int64_t choice = experts / groups * chosen_groups;
  if (chosen < 1 || chosen > choice) return OutOfRange("chosen", chosen, choice);
  return absl::OkStatus();
}

void ChooseExperts(const Router& router, const float* logits, int32_t* experts, float* weights,
                   CpuPath path) {
  WL_CHECK(router.experts <= Router::kMaxExperts);
  Scores scores;
  if (router.score == Router::Score::kSoftmax) {
    Softmax(logits, router.experts, scores.data(), path);
  } else {
    std::transform(logits, logits + router.experts, scores.begin(),
                   [](float logit) { return 1.0f / (1.0f + std::exp(-logit)); });
  }
  Scores ranks = scores;
  if (router.selection_bias != nullptr) {
    AddTo(router.selection_bias, router.experts, ranks.data(), path);
  }
  Allowed allowed = AllowedExperts(router, ranks);
  for (int64_t i = 0; i < router.chosen; ++i) {
    const int64_t expert = Largest(ranks.data(), router.experts, allowed);
    allowed.reset(static_cast<size_t>(expert));
    experts[i] = static_cast<int32_t>(expert);
  }
  std::sort(experts, experts + router.chosen);
  float sum = 0;
  for (int64_t i = 0; i < router.chosen; ++i) sum += weights[i] = scores[experts[i]];
  // Sigmoids of logits far below zero may all be zero.
  const float factor = router.scale / (router.normalise ? std::max(sum, 1e-20f) : 1.0f);
  for (int64_t i = 0; i < router.chosen; ++i) weights[i] *= factor;
}

}  // namespace waferline::kernels
