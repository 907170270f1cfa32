// GLM-4-0414 (Z.ai, 2025; model code of Hugging Face's transformers, Glm4): norms of what both
// branches read and of their results, half of each head turns, gate and up are one matrix.
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/parts.h"

namespace waferline::model {
namespace {

absl::Status ReadGlm4(KeyReader& keys, ModelShape& shape) {
  return ReadCommon(keys, {.rotary = kernels::RotaryKind::kNorm}, shape);
}

absl::Status BindGlm4(TensorBinder& tensors, const ModelShape& shape, int64_t,
                      LayerWeights& layer) {
  WL_RETURN_IF_ERROR(BindPreNorms(tensors, shape, layer));
  WL_RETURN_IF_ERROR(BindAttention(tensors, shape, layer));
  WL_RETURN_IF_ERROR(BindPostNorms(tensors, shape, layer));
  return BindFusedFeedForward(tensors, shape, layer);
}

}  // namespace

const Family kGlm4 = {"glm4", ReadGlm4, BindGlm4};

}  // namespace waferline::model
