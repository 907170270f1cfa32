// llama and those that compute the same layer (Touvron et al.: "LLaMA", 2023): RMS norms, grouped
// heads, SwiGLU. Converters permute the rows of queries and keys so that pairs are neighbours.
//
//   llama     also SmolLM2, Falcon3, Mistral (Jiang et al.: "Mistral 7B", 2023: a sliding window in
//             all layers), with experts Mixtral (Jiang et al.: "Mixtral of Experts", 2024); Llama
//             3.1's rotary scaling is in rope_freqs.weight
//   mistral   another name in some files
//   smollm3   every fourth layer does not turn heads (Hugging Face: "SmolLM3", 2025; Yang et al.:
//             "RoPE to NoPE and back again", 2025)
//   granite   scales of embedding, residual branches, scores and logits (IBM: "Granite 3.0", 2024;
//             Yang et al.: "Tensor Programs V", 2022); granitemoe: the same with experts
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/expert_parts.h"
#include "wafer_backend/compute/model/families/parts.h"

namespace waferline::model {
namespace {

absl::Status ReadLlama(KeyReader& keys, ModelShape& shape) {
  WL_RETURN_IF_ERROR(ReadCommon(keys, {.rotary = kernels::RotaryKind::kNorm}, shape));
  WL_RETURN_IF_ERROR(ReadExperts(keys, {.normalise = true}, shape));
  return ReadWindows(keys, {}, shape);
}

absl::Status ReadSmolLm3(KeyReader& keys, ModelShape& shape) {
  WL_RETURN_IF_ERROR(ReadLlama(keys, shape));
  for (size_t i = 3; i < shape.plan.size(); i += 4) shape.plan[i].rotary = LayerPlan::kNoRotary;
  return absl::OkStatus();
}

absl::Status ReadGranite(KeyReader& keys, ModelShape& shape) {
  WL_RETURN_IF_ERROR(ReadLlama(keys, shape));
  WL_ASSIGN_OR_RETURN(shape.embedding_scale, keys.PositiveOr("embedding_scale", 1));
  WL_ASSIGN_OR_RETURN(shape.residual_scale, keys.PositiveOr("residual_scale", 1));
  WL_ASSIGN_OR_RETURN(shape.attention_scale,
                      keys.PositiveOr("attention.scale", shape.attention_scale));
  WL_ASSIGN_OR_RETURN(const double divisor, keys.PositiveOr("logit_scale", 1));
  shape.logit_scale = 1 / divisor;
  // Converters say here whether heads turn at all.
  WL_ASSIGN_OR_RETURN(const bool turns, keys.BoolOr("rope.scaling.finetuned", true));
  if (turns) return absl::OkStatus();
  for (LayerPlan& layer : shape.plan) layer.rotary = LayerPlan::kNoRotary;
  return absl::OkStatus();
}

absl::Status BindLlama(TensorBinder& tensors, const ModelShape& shape, int64_t index,
                       LayerWeights& layer) {
  WL_RETURN_IF_ERROR(BindPreNorms(tensors, shape, layer));
  WL_RETURN_IF_ERROR(BindAttention(tensors, shape, layer));
  return BindFeedForward(tensors, shape, index, layer);
}

}  // namespace

const Family kLlama = {"llama", ReadLlama, BindLlama};
const Family kMistral = {"mistral", ReadLlama, BindLlama};
const Family kSmolLm3 = {"smollm3", ReadSmolLm3, BindLlama};
const Family kGranite = {"granite", ReadGranite, BindLlama};
const Family kGraniteMoe = {"granitemoe", ReadGranite, BindLlama};

}  // namespace waferline::model
