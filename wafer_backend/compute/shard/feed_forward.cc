#include "wafer_backend/compute/shard/feed_forward.h"

#include <algorithm>
#include <cmath>

#include "wafer_backend/compute/kernels/matrix.h"
#include "wafer_backend/compute/kernels/rows.h"
#include "wafer_backend/compute/shard/step_rows.h"

namespace waferline::shard {
namespace {

using kernels::MatMul;
using kernels::Product;

kernels::Experts::Shape ExpertsShapeOf(const model::ModelShape& shape, int64_t max_rows) {
  const kernels::Router& router = shape.experts.router;
  return {shape.hidden, shape.experts.ffn, router.experts, router.chosen, max_rows};
}

}  // namespace

FeedForward::FeedForward(const model::ModelShape& shape, int64_t max_rows, ExpertRange own)
    : shape_(shape),
      max_rows_(max_rows),
      gate_(static_cast<size_t>(max_rows * shape.ffn)),
      up_(gate_.size()),
      own_(own) {
  const int64_t experts = shape.experts.router.experts;
  if (experts == 0) return;
  router_.resize(static_cast<size_t>(max_rows * experts));
  shares_.resize(static_cast<size_t>(max_rows));
  experts_.emplace(ExpertsShapeOf(shape, max_rows));
  expert_tokens_.resize(static_cast<size_t>(experts));
}

Bytes FeedForward::working_bytes() const {
  const Bytes own(max_rows_ * 2 * shape_.ffn * 4);
  if (!experts_) return own;
  return own + experts_->working_bytes() +
         Bytes(max_rows_ * (shape_.experts.router.experts + 1) * 4);
}

void FeedForward::Run(const Step& step) {
  if (step.layer->down.present()) {
    RunOwn(step);
  } else {
    std::fill_n(step.y, step.rows * shape_.hidden, 0.0f);
  }
  if (step.layer->experts.present()) AddExperts(step);
  if (step.layer->down.bias.empty()) return;
  EachRow(*step.pool, step.rows, 2 * shape_.hidden,
          [&](int64_t row) { AddBias(step.layer->down, step.y + row * shape_.hidden); });
}

void FeedForward::RunOwn(const Step& step) {
  const PackedLayer& layer = *step.layer;
  const Product up_gate[] = {{&layer.up.matrix, up_.data()}, {&layer.gate.matrix, gate_.data()}};
  MatMul(std::span(up_gate).first(layer.gate.present() ? 2 : 1), step.x, step.rows, *step.pool,
         *step.scratch);
  EachRow(*step.pool, step.rows, 2 * layer.down.matrix.cols(),
          [&](int64_t row) { Activate(layer, row); });
  MatMul(layer.down.matrix, up_.data(), step.y, step.rows, *step.pool, *step.scratch);
}

void FeedForward::AddExperts(const Step& step) {
  const PackedExperts& experts = step.layer->experts;
  const int64_t width = shape_.hidden;
  kernels::Router router = shape_.experts.router;
  if (!experts.selection_bias.empty()) router.selection_bias = experts.selection_bias.data();
  const bool shares = experts.shared_gate.present();
  const Product choice[] = {{&experts.router.matrix, router_.data()},
                            {&experts.shared_gate.matrix, shares_.data()}};
  MatMul(std::span(choice).first(shares ? 2 : 1), step.x, step.rows, *step.pool, *step.scratch);
  EachRow(*step.pool, step.rows, router.experts + width, [&](int64_t row) {
    AddBias(experts.router, router_.data() + row * router.experts);
    if (!shares) return;
    const float share = 1 / (1 + std::exp(-shares_[row]));
    kernels::Scale(share, width, step.y + row * width);
  });
  experts_->Add(experts.weights(own_),
                {.router = router,
                 .activation = shape_.experts.activation,
                 .weigh_inputs = shape_.experts.weigh_inputs,
                 .logits = router_.data(),
                 .x = step.x,
                 .rows = step.rows,
                 .y = step.y,
                 .counts = expert_tokens_,
                 .first_own = own_.first,
                 .layer = step.number,
                 .elsewhere = others_},
                *step.pool, *step.scratch);
}

// One row of up_, gated or not.
void FeedForward::Activate(const PackedLayer& layer, int64_t row) {
  const int64_t ffn = layer.down.matrix.cols();
  float* const up = up_.data() + row * ffn;
  AddBias(layer.up, up);
  if (!layer.gate.present()) {
    kernels::Activate(shape_.activation, up, ffn, up);
    return;
  }
  float* const gate = gate_.data() + row * ffn;
  AddBias(layer.gate, gate);
  kernels::Gate(shape_.activation, gate, up, ffn, up);
}

}  // namespace waferline::shard
