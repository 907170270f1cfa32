// Google's Gemma: embeddings times the root of the hidden size, a GELU gate. Converters have added
// the 1 to the weights of the norms that the model code adds.
//
//   gemma    Gemma Team: "Gemma", 2024
//   gemma2   norms of both branches' results, soft caps of scores and logits, a sliding window in
//            every second layer (Gemma Team: "Gemma 2", 2024)
//   gemma3   norms of query and key heads, a sliding window and a rotary base of its own in five of
//            six layers (Gemma Team: "Gemma 3", 2025)
#include <cmath>

#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/parts.h"

namespace waferline::model {
namespace {

absl::Status ReadGemma(KeyReader& keys, ModelShape& shape) {
  WL_RETURN_IF_ERROR(ReadCommon(keys, {.rotary = kernels::RotaryKind::kNeox}, shape));
  shape.embedding_scale = std::sqrt(static_cast<double>(shape.hidden));
  shape.activation = kernels::Activation::kGelu;
  return absl::OkStatus();
}

// The models of 27 billion parameters divide the scores by the root of hidden / heads, which is not
// their head size; files do not say so (query_pre_attn_scalar of the published configurations).
void SetScaleOfLargest(int64_t layers_of_largest, ModelShape& shape) {
  if (shape.layers != layers_of_largest) return;
  shape.attention_scale =
      1 / std::sqrt(static_cast<double>(shape.hidden) / static_cast<double>(shape.heads));
}

absl::Status ReadGemma2(KeyReader& keys, ModelShape& shape) {
  WL_RETURN_IF_ERROR(ReadGemma(keys, shape));
  SetScaleOfLargest(46, shape);
  WL_ASSIGN_OR_RETURN(shape.attention_softcap, keys.NotNegativeOr("attn_logit_softcapping", 50));
  WL_ASSIGN_OR_RETURN(shape.logit_softcap, keys.NotNegativeOr("final_logit_softcapping", 30));
  return ReadWindows(keys, {.window = 4096, .global_every = 2}, shape);
}

absl::Status ReadGemma3(KeyReader& keys, ModelShape& shape) {
  WL_RETURN_IF_ERROR(ReadGemma(keys, shape));
  SetScaleOfLargest(62, shape);
  WL_ASSIGN_OR_RETURN(shape.logit_softcap, keys.NotNegativeOr("final_logit_softcapping", 0));
  WL_RETURN_IF_ERROR(ReadWindows(keys, {.global_every = 6}, shape));
  Rotary local{.kind = kernels::RotaryKind::kNeox, .dims = shape.rotaries[0].dims};
  WL_ASSIGN_OR_RETURN(local.base, keys.PositiveOr("rope.freq_base_swa", 10000));
  TurnWindowsBy(std::move(local), shape);
  return absl::OkStatus();
}

absl::Status BindGemma(TensorBinder& tensors, const ModelShape& shape, int64_t,
                       LayerWeights& layer) {
  WL_RETURN_IF_ERROR(BindPreNorms(tensors, shape, layer));
  WL_RETURN_IF_ERROR(BindAttention(tensors, shape, layer));
  return BindGatedFeedForward(tensors, shape, layer);
}

absl::Status BindGemma2(TensorBinder& tensors, const ModelShape& shape, int64_t index,
                        LayerWeights& layer) {
  WL_RETURN_IF_ERROR(BindGemma(tensors, shape, index, layer));
  return BindPostNorms(tensors, shape, layer);
}

absl::Status BindGemma3(TensorBinder& tensors, const ModelShape& shape, int64_t index,
                        LayerWeights& layer) {
  WL_RETURN_IF_ERROR(BindGemma2(tensors, shape, index, layer));
  return BindHeadNorms(tensors, shape, layer);
}

}  // namespace

const Family kGemma = {"gemma", ReadGemma, BindGemma};
const Family kGemma2 = {"gemma2", ReadGemma2, BindGemma2};
const Family kGemma3 = {"gemma3", ReadGemma3, BindGemma3};

}  // namespace waferline::model
