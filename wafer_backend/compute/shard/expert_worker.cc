#include "wafer_backend/compute/shard/expert_worker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"

namespace waferline::shard {
namespace {

std::string NameOf(const ExpertWorkerOptions& options) {
  return absl::StrCat("the worker of experts ", options.experts.first, " to ",
                      options.experts.end - 1, " of layers ", options.layers.first, " to ",
                      options.layers.end - 1);
}

int64_t MaxRows(const model::ModelShape& shape, const ExpertWorkerOptions& options) {
  return options.max_rows * std::min(shape.experts.router.chosen, options.experts.count());
}

absl::Status Fits(const PackedModel& model, const ExpertWorkerOptions& options) {
  if (model.shape().experts.router.experts == 0) {
    return absl::InvalidArgumentError("the model has no experts");
  }
  if (options.max_rows < 1) return absl::InvalidArgumentError("max_rows must be at least 1");
  const LayerRange& layers = options.layers;
  const ExpertRange& experts = options.experts;
  if (layers.count() >= 1 && experts.count() >= 1 && layers.first >= model.range().first &&
      layers.end <= model.range().end && experts.first >= model.experts().first &&
      experts.end <= model.experts().end) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(NameOf(options), " is outside what was loaded"));
}

}  // namespace

ExpertWorker::ExpertWorker(std::shared_ptr<const PackedModel> model,
                           const ExpertWorkerOptions& options, kernels::ThreadPool* pool)
    : model_(std::move(model)),
      options_(options),
      pool_(pool),
      ledger_(NameOf(options), options.sram),
      products_({model_->shape().hidden, model_->shape().experts.ffn, options.experts.count(),
                 MaxRows(model_->shape(), options)}) {}

absl::StatusOr<std::unique_ptr<ExpertWorker>> ExpertWorker::Create(
    std::shared_ptr<const PackedModel> model, const ExpertWorkerOptions& options,
    kernels::ThreadPool* pool) {
  WL_RETURN_IF_ERROR(Fits(*model, options));
  std::unique_ptr<ExpertWorker> worker(new ExpertWorker(std::move(model), options, pool));
  const PackedModel& packed = *worker->model_;
  const Bytes frame(MaxRows(packed.shape(), options) * packed.shape().hidden * 4);
  WL_RETURN_IF_ERROR(worker->ledger_.Settle(
      packed.WeightsOf({options.layers, options.experts, LayerSide::kExperts}),
      frame + worker->products_.working_bytes(), Bytes(0)));
  return worker;
}

absl::Status ExpertWorker::Check(const link::LayerRowsFrame& frame) const {
  const int64_t layer = frame.layer;
  if (layer < options_.layers.first || layer >= options_.layers.end ||
      !model_->layer(layer).experts.present()) {
    return absl::InvalidArgumentError(absl::StrCat(NameOf(options_), " has none of layer ", layer));
  }
  const int64_t width = model_->shape().hidden;
  const int64_t max_rows = MaxRows(model_->shape(), options_);
  if (frame.width != width ||
      static_cast<int64_t>(frame.counts.size()) != options_.experts.count() ||
      static_cast<int64_t>(frame.hidden.size()) > max_rows * width) {
    return absl::InvalidArgumentError(
        absl::StrCat(frame.hidden.size(), " values in rows of ", frame.width, " for ",
                     frame.counts.size(), " experts do not fit ", NameOf(options_),
                     ", which takes up to ", max_rows, " rows of ", width));
  }
  return absl::OkStatus();
}

absl::Status ExpertWorker::Compute(link::LayerRowsFrame* frame) {
  WL_RETURN_IF_ERROR(Check(*frame));
  begin_.assign(1, 0);
  for (const uint32_t count : frame->counts) begin_.push_back(begin_.back() + count);
  const PackedExperts& experts = model_->layer(frame->layer).experts;
  products_.Apply({experts.weights(options_.experts), model_->shape().experts.activation, begin_,
                   frame->hidden.data()},
                  *pool_, scratch_);
  return absl::OkStatus();
}

}  // namespace waferline::shard
