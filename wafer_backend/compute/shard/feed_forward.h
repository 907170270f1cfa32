// The feed-forward part of a layer: its own gated or plain one, its experts, or both.
//
// A row's result does not depend on the other rows of a call. Owner: a LayerStack or a
// feed-forward worker, whose thread, pool and scratch memory it uses. Memory: `working_bytes`, for
// up to `max_rows` rows.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/kernels/experts.h"
#include "wafer_backend/compute/kernels/scratch.h"
#include "wafer_backend/compute/kernels/thread_pool.h"
#include "wafer_backend/compute/shard/packed_model.h"

namespace waferline::shard {

// Feed-forward parts of layers that others compute. What was started is finished in the same order;
// meanwhile more may be started.
class FeedForwardElsewhere {
 public:
  virtual ~FeedForwardElsewhere() = default;
  // x: f32 [rows][hidden], the normed input; not read after the call.
  virtual void Start(int64_t layer, const float* x, int64_t rows) = 0;
  // y: f32 [rows][hidden] of the oldest that is not finished, what FeedForward::Run makes of x.
  virtual void Finish(float* y) = 0;
};

class FeedForward {
 public:
  // `own`: the experts that this computes itself; Run needs SetOthers unless they are all.
  FeedForward(const model::ModelShape& shape, int64_t max_rows, ExpertRange own);
  // Who computes the other experts; outlives the next Run.
  void SetOthers(kernels::ExpertsElsewhere* others) { others_ = others; }
  bool has_all_experts() const { return own_.count() == shape_.experts.router.experts; }

  // Rows of a layer: x f32 [rows][hidden], the normed input; y f32 [rows][hidden], written.
  struct Step {
    const PackedLayer* layer;
    int64_t number;  // of the layer in the model
    const float* x;
    int64_t rows;
    float* y;
    kernels::ThreadPool* pool;
    kernels::Scratch* scratch;
  };
  // y = what the layer's own part and its experts make of x.
  void Run(const Step& step);

  // Tokens that each expert has computed so far, summed over the layers; empty without experts.
  std::span<const int64_t> expert_tokens() const { return expert_tokens_; }

  Bytes working_bytes() const;

 private:
  void RunOwn(const Step& step);
  void AddExperts(const Step& step);
  void Activate(const PackedLayer& layer, int64_t row);

  const model::ModelShape& shape_;
  const int64_t max_rows_;
  // f32, each [max_rows] rows wide as named.
  std::vector<float> gate_;    // ffn
  std::vector<float> up_;      // ffn
  std::vector<float> router_;  // experts
  std::vector<float> shares_;  // 1: of the layer's own part, before the sigmoid
  const ExpertRange own_;
  kernels::ExpertsElsewhere* others_ = nullptr;
  std::optional<kernels::Experts> experts_;
  std::vector<int64_t> expert_tokens_;  // [experts]
};

}  // namespace waferline::shard
