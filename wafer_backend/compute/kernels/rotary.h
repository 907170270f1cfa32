// Rotary position embedding (Su et al.: "RoFormer", 2021): pair p of each head turns by the angle
// position * frequency[p]. Angles are computed in double once a step and serve all layers.
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
// dims / 2 entries (GGUF tensor rope_freqs.weight: llama3 scaling). dims is even.
std::vector<double> RotaryFrequencies(int64_t dims, double base, std::span<const float> factors);

// cos_sin: f32 [positions][frequencies][2], cosine then sine; one row for each position.
void RotaryAngles(std::span<const double> frequencies, std::span<const int32_t> positions,
                  float* cos_sin);

// Turns one row of `heads` heads in place. row: f32 [heads][head_dim]; the first `dims` elements of
// each head turn, the others stay; cos_sin: this row's [dims / 2][2] of RotaryAngles.
void ApplyRotary(RotaryKind kind, const float* cos_sin, int64_t heads, int64_t head_dim,
                 int64_t dims, float* row, CpuPath path = BestPath());

}  // namespace waferline::kernels
