// What experts make of the rows that were routed to them: the part of an expert layer that any
// worker can compute that has the experts' matrices.
//
// Owner: a layer stack or a worker of experts; thread: one at a time. A row's result is the same
// bits with any other rows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/kernels/matrix.h"
#include "wafer_backend/compute/kernels/rows.h"
#include "wafer_backend/compute/kernels/scratch.h"
#include "wafer_backend/compute/kernels/thread_pool.h"

namespace waferline::kernels {

// expert(x) = down * (activation(gate * x + gate_bias) * (up * x + up_bias)) + down_bias
// Of a layer's experts, or some that follow each other.
struct ExpertWeights {
  std::span<const PackedMatrix> gate, up;     // [experts], each ffn x hidden
  std::span<const PackedMatrix> down;         // [experts], each hidden x ffn
  std::span<const float> gate_bias, up_bias;  // f32 [experts][ffn]; empty: none
  std::span<const float> down_bias;           // f32 [experts][hidden]; empty: none

  int64_t count() const { return static_cast<int64_t>(gate.size()); }
};

class ExpertProducts {
 public:
  struct Shape {
    int64_t hidden = 0;
    int64_t ffn = 0;       // of one expert
    int64_t experts = 0;   // at most
    int64_t max_rows = 0;  // of all experts together
  };
  explicit ExpertProducts(const Shape& shape);

  struct Task {
    ExpertWeights weights;
    Activation activation = Activation::kSilu;
    // Rows of expert e are begin[e] to begin[e + 1] of `rows`, f32 [..][hidden]; each becomes what
    // its expert makes of it.
    std::span<const int64_t> begin;  // [weights.count() + 1]
    float* rows = nullptr;
  };
  // Cost: one parallel loop each for two products, activation and, with biases, their sum.
  void Apply(const Task& task, ThreadPool& pool, Scratch& scratch);

  // Of this, and what products may take in scratch (matrix.h) for as many rows as there can be.
  Bytes working_bytes() const;

 private:
  void Activate(const Task& task, ThreadPool& pool);
  void AddBiases(const Task& task, ThreadPool& pool);

  const Shape shape_;
  std::vector<float> gate_, up_;  // f32 [rows][ffn]
  std::vector<Product> products_;
  std::vector<Batch> batches_;
};

}  // namespace waferline::kernels
