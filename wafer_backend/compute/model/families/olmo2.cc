// OLMo 2 (OLMo Team: "2 OLMo 2 Furious", 2024): norms of both branches' results instead of what
// they read, and of the whole rows of queries and keys. OLMo 3 (2025) adds a sliding window in
// three of four layers, which do not scale their rotary embedding.
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/parts.h"

namespace waferline::model {
namespace {

absl::Status ReadOlmo2(KeyReader& keys, ModelShape& shape) {
  WL_RETURN_IF_ERROR(ReadCommon(keys, {.rotary = kernels::RotaryKind::kNeox}, shape));
  WL_RETURN_IF_ERROR(ReadWindows(keys, {.global_every = 4}, shape));
  Rotary local{.kind = kernels::RotaryKind::kNeox, .dims = shape.rotaries[0].dims};
  WL_ASSIGN_OR_RETURN(local.base, keys.PositiveOr("rope.freq_base_swa", shape.rotaries[0].base));
  TurnWindowsBy(std::move(local), shape);
  return absl::OkStatus();
}

absl::Status BindOlmo2(TensorBinder& tensors, const ModelShape& shape, int64_t,
                       LayerWeights& layer) {
  WL_RETURN_IF_ERROR(BindAttention(tensors, shape, layer));
  WL_RETURN_IF_ERROR(tensors.Norm("attn_q_norm", shape.q_width(), &layer.q_norm));
  WL_RETURN_IF_ERROR(tensors.Norm("attn_k_norm", shape.kv_width(), &layer.k_norm));
  WL_RETURN_IF_ERROR(BindPostNorms(tensors, shape, layer));
  return BindGatedFeedForward(tensors, shape, layer);
}

}  // namespace

const Family kOlmo2 = {"olmo2", ReadOlmo2, BindOlmo2};

}  // namespace waferline::model
