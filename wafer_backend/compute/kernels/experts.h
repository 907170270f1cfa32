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
#include "wafer_backend/compute/kernels/expert_products.h"
#include "wafer_backend/compute/kernels/router.h"
#include "wafer_backend/compute/kernels/rows.h"
#include "wafer_backend/compute/kernels/scratch.h"
#include "wafer_backend/compute/kernels/thread_pool.h"

namespace waferline::kernels {

// Experts that others compute. Calls come in pairs, one layer at a time.
class ExpertsElsewhere {
 public:
  virtual ~ExpertsElsewhere() = default;
  // The rows of expert e are begin[e] to begin[e + 1] of `rows`, f32 [..][hidden]. Both are valid
  // until Finish; rows of the caller's own experts may change meanwhile.
  virtual void Start(int64_t layer, std::span<const int64_t> begin, const float* rows) = 0;
  // Makes of each row of those experts what its expert makes of it.
  virtual void Finish(float* rows) = 0;
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
    // If `weights` are those of some experts only: the first of them, and who has the others.
    int64_t first_own = 0;
    int64_t layer = 0;
    ExpertsElsewhere* elsewhere = nullptr;
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
  void Sum(const Step& step, ThreadPool& pool);

  const Shape shape_;
  // [rows][chosen]: a row's experts by rising index, their weights, and where its copy for each is.
  std::vector<int32_t> experts_;
  std::vector<float> weights_;
  std::vector<int32_t> places_;
  std::vector<int64_t> begin_;  // [experts + 1]: the first place of each
  std::vector<float> outer_;    // f32 [places][hidden]: what experts read and then give
  ExpertProducts products_;
};

}  // namespace waferline::kernels
