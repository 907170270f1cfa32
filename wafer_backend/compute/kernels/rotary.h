// Rotary position embedding (Su et al.: "RoFormer", 2021): pair p of each head turns by the angle
// position * frequency[p]. Angles are computed in double once a step and serve all layers.
//
// Contexts beyond the trained one change the frequencies, and multiply cosines and sines by a
// magnitude: linear scaling divides all frequencies by a factor (Chen et al.: "Extending Context
// Window of Large Language Models via Position Interpolation", 2023), llama 3 and LongRoPE (Ding et
// al.: "LongRoPE", 2024) each by its own, YaRN (Peng et al.: "YaRN: Efficient Context Window
// Extension of Large Language Models", 2023) those that turn too slowly.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "wafer_backend/compute/kernels/cpu.h"

namespace waferline::kernels {

enum class RotaryKind {
  kNorm,  // pairs are neighbours: (0, 1), (2, 3), ... (llama)
  kNeox,  // pairs are (p, p + dims / 2) (qwen2, qwen3)
};

// frequency[p] = base^(-2p / dims) / factor[p], p < dims / 2. `factors` is empty (all 1) or has
// dims / 2 entries (GGUF tensors rope_freqs.weight: llama3 scaling; rope_factors_long.weight or
// rope_factors_short.weight: LongRoPE). dims is even.
std::vector<double> RotaryFrequencies(int64_t dims, double base, std::span<const float> factors);

// Of RotaryFrequencies without factors, pairs that turn more than beta_fast times within the
// original context stay, those below beta_slow turns are divided by `factor`, between them both are
// mixed, linearly in p.
struct YarnScaling {
  double factor = 1;            // new context / original_context
  double original_context = 0;  // positions
  double beta_fast = 32;        // turns
  double beta_slow = 1;
  double extrapolation = 1;  // share of the unscaled frequency in the pairs that keep it
  bool whole_pairs = true;   // the ends of the mixed range are rounded outwards to pairs
};
std::vector<double> YarnFrequencies(int64_t dims, double base, const YarnScaling& scaling);

// 0.1 multiplier ln(factor) + 1, and 1 for factors of at most 1. `multiplier`: 1 in the paper;
// DeepSeek's mscale (DeepSeek-AI: "DeepSeek-V2", 2024) is another.
double YarnMagnitude(double factor, double multiplier = 1);

// sqrt(1 + ln(factor) / ln(original_context)), and 1 for factors of at most 1 (LongRoPE).
double LongRopeMagnitude(double factor, double original_context);

// cos_sin: f32 [positions][frequencies][2], cosine then sine, both times `magnitude`; one row for
// each position.
void RotaryAngles(std::span<const double> frequencies, std::span<const int32_t> positions,
                  float* cos_sin, double magnitude = 1);

// Turns one row of `heads` heads in place. row: f32 [heads][head_dim]; the first `dims` elements of
// each head turn, the others stay; cos_sin: this row's [dims / 2][2] of RotaryAngles.
void ApplyRotary(RotaryKind kind, const float* cos_sin, int64_t heads, int64_t head_dim,
                 int64_t dims, float* row, CpuPath path = BestPath());

}  // namespace waferline::kernels
