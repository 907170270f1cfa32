// A feed-forward part of many experts, of which each token passes a few (Shazeer et al.:
// "Outrageously Large Neural Networks", 2017; Jiang et al.: "Mixtral of Experts", 2024).
//
// The rows of a step are laid side by side by expert, so each expert's matrices are read once for
// all rows that are routed to it. A row's result is the same in any step: its products do not
// depend on the rows next to them, and it sums its experts by rising index.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/kernels/matrix.h"
#include "wafer_backend/compute/kernels/router.h"
#include "wafer_backend/compute/kernels/rows.h"
#include "wafer_backend/compute/kernels/scratch.h"
#include "wafer_backend/compute/kernels/thread_pool.h"

namespace waferline::kernels {

// expert(x) = down * (activation(gate * x + gate_bias) * (up * x + up_bias)) + down_bias
struct ExpertWeights {
  std::span<const PackedMatrix> gate, up;     // [experts], each ffn x hidden
  std::span<const PackedMatrix> down;         // [experts], each hidden x ffn
  std::span<const float> gate_bias, up_bias;  // f32 [experts][ffn]; empty: none
  std::span<const float> down_bias;           // f32 [experts][hidden]; empty: none
};

// The working memory of one layer at a time. Owner: what runs the layers; thread: one at a time.
class Experts {
 public:
  struct Shape {
    int64_t hidden = 0;
    int64_t ffn = 0;      // of one expert
    int64_t experts = 0;  // of a layer
    int64_t chosen = 0;   // experts a row at most
    int64_t max_rows = 0;
  };
  explicit Experts(const Shape& shape);

  // What is computed in a step.
  struct Step {
    Router router;  // experts and chosen as in the shape
    Activation activation = Activation::kSilu;
    bool weigh_inputs = false;      // weights multiply what experts read, not what they give
    const float* logits = nullptr;  // of the router: f32 [rows][experts]
    const float* x = nullptr;       // f32 [rows][hidden]
    int64_t rows = 0;               // at most max_rows
    float* y = nullptr;             // f32 [rows][hidden], not overlapping x
    std::span<int64_t> counts;      // [experts]: grows by the rows that each computes; may be empty
  };
  // y += the sum of weight * expert(x) over each row's experts (with weigh_inputs, of expert(weight
  // * x)). Cost: one parallel loop each for routing, gathering, two products, activation and sum.
  void Add(const ExpertWeights& weights, const Step& step, ThreadPool& pool, Scratch& scratch);

  // Of this, and what products may take in scratch (matrix.h) for as many rows as there can be.
  Bytes working_bytes() const;

 private:
  void Route(const Step& step, ThreadPool& pool);
  void Place(const Step& step);
  void Gather(const Step& step, ThreadPool& pool);
  void Multiply(const ExpertWeights& weights, const Step& step, ThreadPool& pool, Scratch& scratch);
  void Activate(const ExpertWeights& weights, const Step& step, ThreadPool& pool);
  void Sum(const ExpertWeights& weights, const Step& step, ThreadPool& pool);

  const Shape shape_;
  // [rows][chosen]: a row's experts by rising index, their weights, and where its copy for each is.
  std::vector<int32_t> experts_;
  std::vector<float> weights_;
  std::vector<int32_t> places_;
  std::vector<int32_t> expert_at_;  // [places]
  std::vector<int64_t> begin_;      // [experts + 1]: the first place of each
  // f32, one row a place: what experts read and then give, [hidden]; their inner rows, [ffn].
  std::vector<float> outer_;
  std::vector<float> gate_, up_;
  // Of the products at hand.
  std::vector<Product> products_;
  std::vector<Batch> batches_;
};

}  // namespace waferline::kernels
