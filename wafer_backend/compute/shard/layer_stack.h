// Runs rows of tokens through a contiguous range of a model's layers. The arithmetic of the whole
// compute plane: shards and prefill workers differ only in which layers and whose pages.
//
// One row's result depends on its token, its position and the KV before it, never on the other rows
// of the step: every kernel sums in an order that is fixed for one row (law 4).
//
// Owner: a shard or a prefill worker; thread: one at a time. Memory: `working_bytes`, for steps of
// up to `max_rows` rows, taken at construction.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/kernels/attention.h"
#include "wafer_backend/compute/kernels/kv_page.h"
#include "wafer_backend/compute/kernels/scratch.h"
#include "wafer_backend/compute/kernels/thread_pool.h"
#include "wafer_backend/compute/shard/feed_forward.h"
#include "wafer_backend/compute/shard/kv_layers.h"
#include "wafer_backend/compute/shard/latent_attention.h"
#include "wafer_backend/compute/shard/packed_model.h"
#include "wafer_backend/compute/shard/rotations.h"
#include "wafer_backend/compute/shard/row_norm.h"
#include "wafer_backend/compute/shard/row_pages.h"

namespace waferline::shard {

class LayerStack {
 public:
  struct Options {
    LayerRange range;
    int64_t page_tokens = 64;
    int64_t max_rows = 512;
    ExpertRange experts = {};  // that it computes itself; none: all
    // It computes attention alone; `micro_batches` of a step's rows then go through the layers one
    // behind the other, so that it has one to work on while others are elsewhere. Which rows are in
    // which changes nothing for a row.
    bool feed_forward_elsewhere = false;
    int64_t micro_batches = 1;
    // Called within Forward, on its thread, for what cannot wait for the end of it. Optional.
    std::function<void()> between_layers = {};
  };
  // `pool` may be shared and must outlive this; `model` holds the layers of the range.
  LayerStack(std::shared_ptr<const PackedModel> model, const Options& options,
             kernels::ThreadPool* pool);

  // Stores the KV of all rows and carries `hidden`, f32 [sum of rows][hidden], through the layers
  // in place. The rows of all runs together: at most max_rows. Rows that are `kv_only`, for ranges
  // that reach the end and one micro-batch, leave the last layer once their KV is stored; the
  // others move up.
  void Forward(std::span<const Run> runs, float* hidden);

  // Output norm and head: logits f32 [rows][vocabulary] of hidden f32 [rows][hidden]. The range
  // must reach the end; rows <= max_rows.
  void Logits(const float* hidden, int64_t rows, float* logits);
  // What the output matrix multiplies: the rows after the output norm, [rows][hidden]. Valid until
  // the next call on this object; the same conditions.
  const float* OutputRows(const float* hidden, int64_t rows);

  // Who computes the experts that this does not. It outlives the next call of Forward, which needs
  // it unless this has all experts.
  void SetOtherExperts(kernels::ExpertsElsewhere* others) { feed_forward_->SetOthers(others); }
  // The same for feed-forward parts that are elsewhere.
  void SetOtherFeedForward(FeedForwardElsewhere* others) { elsewhere_ = others; }
  // It needs neither.
  bool complete() const { return feed_forward_ && feed_forward_->has_all_experts(); }

  const KvLayers& kv() const { return kv_; }
  const LayerRange& range() const { return options_.range; }
  int64_t max_rows() const { return options_.max_rows; }
  const PackedModel& model() const { return *model_; }

  // Tokens that each expert has computed so far, summed over the layers; empty without experts.
  std::span<const int64_t> expert_tokens() const {
    if (!feed_forward_) return {};
    return feed_forward_->expert_tokens();
  }

  // Working memory: the arrays below, and what the kernels may take in scratch.
  Bytes working_bytes() const;

 private:
  void BetweenLayers() const {
    if (options_.between_layers) options_.between_layers();
  }
  // Rows that are in a layer together: rows of the step from first_row on. Where attention works,
  // q_, k_, v_ and mixed_, they begin at 0.
  struct MicroBatch {
    int64_t first_row = 0;
    int64_t rows = 0;
    size_t first_query = 0, queries = 0;  // in queries_
  };
  int64_t SetRows(std::span<const Run> runs);
  void CutIntoBatches(std::span<const Run> runs, int64_t rows);
  void AddQueries(const Run& run, int64_t skipped, int64_t rows, int64_t first_row);
  void ComputeQkv(int64_t index, const MicroBatch& batch, const float* hidden);
  void ComputeLatentKv(int64_t index, const MicroBatch& batch);
  LatentAttention::Step LatentStep(int64_t index, const MicroBatch& batch);
  void ComputeLastQkv(int64_t index, std::span<const Run> runs, MicroBatch* batch, float* hidden);
  int64_t MoveWantedUp(std::span<const Run> runs, float* hidden);
  void FinishQ(int64_t index, const MicroBatch& batch, int64_t row);
  void FinishKv(int64_t index, const MicroBatch& batch, int64_t row);
  void Mix(int64_t index, const MicroBatch& batch, float* hidden);
  void StartFeed(int64_t index, const MicroBatch& batch, const float* hidden);
  void FinishFeed(int64_t index, const MicroBatch& batch, float* hidden);
  void NormRows(const PackedNorm& norm, int64_t rows, const float* hidden);
  // The row of added_ that a branch of the layer computed goes to its row of hidden.
  void AddBranch(const PackedNorm& norm, int64_t row, float* hidden);
  void Norm(const float* x, const PackedNorm& norm, int64_t width, float* y) const {
    NormRow(shape_, norm, width, x, y);
  }
  // What a norm makes of the batch's rows of hidden, which a branch reads; hidden itself without a
  // norm.
  const float* Normed(const PackedNorm& norm, const MicroBatch& batch, const float* hidden) const {
    return (norm.present() ? normed_.data() : hidden) + batch.first_row * shape_.hidden;
  }
  void FinishHeads(int64_t index, const PackedNorm& norm, int64_t heads, int64_t row,
                   float* values) const;
  // `index` counts the range's layers.
  const PackedLayer& LayerAt(int64_t index) const {
    return model_->layer(options_.range.first + index);
  }
  const model::LayerPlan& PlanAt(int64_t index) const {
    return shape_.plan[options_.range.first + index];
  }

  const std::shared_ptr<const PackedModel> model_;
  const Options options_;
  const model::ModelShape& shape_;
  const KvLayers kv_;
  RowPages row_pages_;
  Rotations rotations_;
  kernels::ThreadPool* const pool_;
  kernels::Scratch scratch_;

  // Of the current step, one entry a row.
  std::vector<int32_t> positions_;
  std::vector<kernels::QueryRun> queries_;
  std::vector<const SequencePages*> query_pages_;  // of each of them
  std::vector<MicroBatch> batches_;
  // f32, each [max_rows] rows wide as named.
  std::vector<float> normed_;  // hidden
  std::vector<float> q_;       // q_width; attention writes its result over the queries
  std::vector<float> k_, v_;   // kv_width; no v_ if values are in the keys
  std::vector<float> mixed_;   // attention's result, if values are not as wide as keys
  std::optional<LatentAttention> latent_;
  std::vector<float> added_;                   // hidden
  std::optional<FeedForward> feed_forward_;    // or
  FeedForwardElsewhere* elsewhere_ = nullptr;  // does it
};

}  // namespace waferline::shard
