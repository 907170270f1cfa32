// Which experts compute a token, and how much each counts. A row's choice depends on its logits
// alone. Any thread.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "wafer_backend/compute/kernels/cpu.h"

namespace waferline::kernels {

// score[e] is the softmax over all experts' logits (Fedus et al.: "Switch Transformers", 2021) or
// the sigmoid of the own one (DeepSeek-AI: "DeepSeek-V3", 2024). The `chosen` experts with the
// largest score + selection_bias count, the lower index first among equals; with groups, only those
// of the `chosen_groups` best groups. An expert's weight is
//   scale * score[e]                                       without `normalise`
//   scale * score[e] / sum of the chosen experts' scores   with it
struct Router {
  static constexpr int64_t kMaxExperts = 1024;
  enum class Score : uint8_t { kSoftmax, kSigmoid };
  // What ranks a group: its largest score + bias (DeepSeek-AI: "DeepSeek-V2", 2024) or the sum of
  // its two largest (DeepSeek-V3).
  enum class GroupRank : uint8_t { kLargest, kTwoLargest };

  int64_t experts = 0;  // 1 to kMaxExperts
  int64_t chosen = 0;   // 1 to experts, and to what the chosen groups hold
  Score score = Score::kSoftmax;
  const float* selection_bias = nullptr;  // f32 [experts]; nullptr: none
  int64_t groups = 1;                     // divides experts: group g is the g-th experts / groups
  int64_t chosen_groups = 1;              // 1 to groups
  GroupRank group_rank = GroupRank::kTwoLargest;
  bool normalise = false;
  float scale = 1;

  // InvalidArgument naming the field that is out of range.
  absl::Status Check() const;
};

// logits: f32 [router.experts]. experts, weights: [router.chosen], by rising index.
void ChooseExperts(const Router& router, const float* logits, int32_t* experts, float* weights,
                   CpuPath path = BestPath());

}  // namespace waferline::kernels
