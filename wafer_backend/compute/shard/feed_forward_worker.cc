#include "wafer_backend/compute/shard/feed_forward_worker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"

namespace waferline::shard {
namespace {

std::string NameOf(const FeedForwardWorkerOptions& options) {
  return absl::StrCat("the feed-forward worker of layers ", options.layers.first, " to ",
                      options.layers.end - 1);
}

absl::Status Fits(const PackedModel& model, const FeedForwardWorkerOptions& options) {
  if (options.max_rows < 1) return absl::InvalidArgumentError("max_rows must be at least 1");
  const LayerRange& layers = options.layers;
  if (layers.count() >= 1 && layers.first >= model.range().first &&
      layers.end <= model.range().end && model.Holds(LayerSide::kFeedForward) &&
      model.experts().count() == model.shape().experts.router.experts) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(NameOf(options), " is outside what was loaded"));
}

}  // namespace

FeedForwardWorker::FeedForwardWorker(std::shared_ptr<const PackedModel> model,
                                     const FeedForwardWorkerOptions& options,
                                     kernels::ThreadPool* pool)
    : model_(std::move(model)),
      options_(options),
      pool_(pool),
      ledger_(NameOf(options), options.sram),
      feed_forward_(model_->shape(), options.max_rows, model_->experts()) {}

// What arrives and what leaves; of the layers; what products take in scratch (matrix.h): 5 bytes an
// input element and 100 KiB a thread.
Bytes FeedForwardWorker::working_bytes() const {
  const model::ModelShape& shape = model_->shape();
  const Bytes frames(2 * options_.max_rows * shape.hidden * 4);
  const Bytes scratch(options_.max_rows * 5 * std::max(shape.hidden, shape.ffn));
  return frames + feed_forward_.working_bytes() + scratch + pool_->threads() * Bytes(100 << 10);
}

absl::StatusOr<std::unique_ptr<FeedForwardWorker>> FeedForwardWorker::Create(
    std::shared_ptr<const PackedModel> model, const FeedForwardWorkerOptions& options,
    kernels::ThreadPool* pool) {
  WL_RETURN_IF_ERROR(Fits(*model, options));
  std::unique_ptr<FeedForwardWorker> worker(new FeedForwardWorker(std::move(model), options, pool));
  const PackedModel& packed = *worker->model_;
  const Bytes weights =
      packed.WeightsOf({options.layers, packed.experts(), LayerSide::kFeedForward});
  WL_RETURN_IF_ERROR(worker->ledger_.Settle(weights, worker->working_bytes(), Bytes(0)));
  return worker;
}

absl::Status FeedForwardWorker::Check(const link::LayerRowsFrame& frame) const {
  const int64_t layer = frame.layer;
  if (layer < options_.layers.first || layer >= options_.layers.end) {
    return absl::InvalidArgumentError(absl::StrCat(NameOf(options_), " has none of layer ", layer));
  }
  const int64_t width = model_->shape().hidden;
  if (frame.width == width && frame.counts.size() == 1 && frame.counts[0] >= 1 &&
      frame.counts[0] <= options_.max_rows) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(frame.hidden.size(), " values in rows of ", frame.width, " with ",
                   frame.counts.size(), " counts do not fit ", NameOf(options_),
                   ", which takes one count of up to ", options_.max_rows, " rows of ", width));
}

absl::Status FeedForwardWorker::Compute(link::LayerRowsFrame* frame) {
  WL_RETURN_IF_ERROR(Check(*frame));
  given_.resize(frame->hidden.size());
  const int64_t layer = frame->layer;
  feed_forward_.Run({&model_->layer(layer), layer, frame->hidden.data(), frame->counts[0],
                     given_.data(), pool_, &scratch_});
  given_.swap(frame->hidden);
  return absl::OkStatus();
}

}  // namespace waferline::shard
