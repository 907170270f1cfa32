#include "wafer_backend/compute/model/weights.h"

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/status.h"

namespace waferline::model {

std::span<const float> WeightView::f32() const {
  WL_CHECK(dtype == kernels::DType::kF32);
  // Tensors start at multiples of the file's alignment, which is 8 at least.
  return {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
}

std::vector<const LinearWeights*> LayerWeights::linears() const {
  return {&q,
          &k,
          &v,
          &output,
          &gate,
          &up,
          &down,
          &experts.router,
          &experts.gate,
          &experts.up,
          &experts.down,
          &experts.shared_gate,
          &latent.q_down,
          &latent.kv_down,
          &latent.k_up,
          &latent.v_up,
          &latent.kv_up};
}

Bytes LayerWeights::size() const {
  Bytes sum;
  for (const NormWeights* norm : {&attention_norm, &q_norm, &k_norm, &attention_post_norm,
                                  &ffn_norm, &ffn_post_norm, &latent.q_norm, &latent.kv_norm}) {
    sum += norm->weight.size() + norm->bias.size();
  }
  for (const LinearWeights* linear : linears()) sum += linear->matrix.size() + linear->bias.size();
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
    for (const LinearWeights* linear : layer.linears()) {
      if (linear->matrix.present()) WL_RETURN_IF_ERROR(check(linear->matrix));
    }
  }
  return check(output);
}

}  // namespace waferline::model
