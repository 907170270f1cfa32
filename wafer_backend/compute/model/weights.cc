#include "wafer_backend/compute/model/weights.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/status.h"

namespace waferline::model {

std::span<const float> WeightView::f32() const {
  WL_CHECK(dtype == kernels::DType::kF32);
  // Tensors start at multiples of the file's alignment, which is 8 at least.
  return {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
}

namespace {

std::array<const LinearWeights*, 14> LinearsOf(const LayerWeights& layer) {
  return {&layer.q,
          &layer.k,
          &layer.v,
          &layer.output,
          &layer.gate,
          &layer.up,
          &layer.down,
          &layer.experts.router,
          &layer.experts.shared_gate,
          &layer.latent.q_down,
          &layer.latent.kv_down,
          &layer.latent.k_up,
          &layer.latent.v_up,
          &layer.latent.kv_up};
}

std::array<const ExpertMatrices*, 3> ExpertsOf(const LayerWeights& layer) {
  return {&layer.experts.gate, &layer.experts.up, &layer.experts.down};
}

}  // namespace

std::vector<const WeightView*> LayerWeights::matrices() const {
  std::vector<const WeightView*> all;
  for (const LinearWeights* linear : LinearsOf(*this)) {
    if (linear->matrix.present()) all.push_back(&linear->matrix);
  }
  for (const ExpertMatrices* of_all : ExpertsOf(*this)) {
    for (const WeightView& matrix : of_all->matrices) all.push_back(&matrix);
  }
  return all;
}

Bytes LayerWeights::size() const {
  Bytes sum;
  for (const NormWeights* norm : {&attention_norm, &q_norm, &k_norm, &attention_post_norm,
                                  &ffn_norm, &ffn_post_norm, &latent.q_norm, &latent.kv_norm}) {
    sum += norm->weight.size() + norm->bias.size();
  }
  for (const WeightView* matrix : matrices()) sum += matrix->size();
  for (const LinearWeights* linear : LinearsOf(*this)) sum += linear->bias.size();
  for (const ExpertMatrices* of_all : ExpertsOf(*this)) sum += of_all->bias.size();
  return sum + experts.selection_bias.size() + sinks.size();
}

absl::Status ModelWeights::Runnable() const {
  const auto check = [](const WeightView& view) {
    const absl::Status status = kernels::RunnableStatus(view.dtype);
    if (status.ok()) return status;
    return absl::Status(status.code(),
                        absl::StrCat("tensor ", Quoted(view.name), ": ", status.message()));
  };
  WL_RETURN_IF_ERROR(check(token_embedding));
  for (const LayerWeights& layer : layers) {
    for (const WeightView* matrix : layer.matrices()) WL_RETURN_IF_ERROR(check(*matrix));
  }
  return check(output);
}

}  // namespace waferline::model
