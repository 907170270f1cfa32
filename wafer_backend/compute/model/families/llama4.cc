// llama4 (Meta: "The Llama 4 herd", 2025, and its published model code): in three of four layers
// heads turn, their norm is taken without weights (in the model of 16 experts) and queries see a
// chunk; in the fourth they do not turn, see everything, and grow with their position. One expert a
// token, whose weight multiplies what it reads, and one that all pass, in every n-th layer.
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/expert_parts.h"
#include "wafer_backend/compute/model/families/parts.h"

namespace waferline::model {
namespace {

constexpr int64_t kPlainEvery = 4;      // layers: the last of each four does not turn
constexpr int64_t kChunk = 8192;        // positions; files do not name it
constexpr int64_t kWithoutNorms = 128;  // experts of the model whose heads are not normed

absl::Status ReadLlama4Layers(KeyReader& keys, ModelShape& shape) {
  WL_ASSIGN_OR_RETURN(const int64_t chunk, keys.CountOr("attention.sliding_window", kChunk));
  WL_ASSIGN_OR_RETURN(const int64_t step, keys.SizeOr("interleave_moe_layer_step", 1));
  WL_ASSIGN_OR_RETURN(const int64_t growth_step,
                      keys.SizeOr("attention.temperature_length", kChunk));
  shape.query_growth.step = static_cast<double>(growth_step);
  WL_ASSIGN_OR_RETURN(shape.query_growth.scale,
                      keys.PositiveOr("attention.temperature_scale", 0.1));
  for (int64_t i = 0; i < shape.layers; ++i) {
    LayerPlan& layer = shape.plan[i];
    // Files that say there is no chunk are of models in which all heads turn.
    const bool turns = chunk == 0 || (i + 1) % kPlainEvery != 0;
    layer.rotary = turns ? 0 : LayerPlan::kNoRotary;
    layer.chunk = turns ? chunk : 0;
    layer.query_growth = !turns;
    layer.plain_head_norms = turns && shape.experts.router.experts != kWithoutNorms;
    layer.experts = layer.experts && (i + 1) % step == 0;
  }
  return absl::OkStatus();
}

absl::Status ReadLlama4(KeyReader& keys, ModelShape& shape) {
  WL_RETURN_IF_ERROR(ReadCommon(keys, {.rotary = kernels::RotaryKind::kNorm}, shape));
  WL_RETURN_IF_ERROR(ReadExperts(keys, {.score = kernels::Router::Score::kSigmoid}, shape));
  shape.experts.weigh_inputs = true;
  shape.experts.shared_ffn = shape.experts.ffn;
  return ReadLlama4Layers(keys, shape);
}

absl::Status BindLlama4(TensorBinder& tensors, const ModelShape& shape, int64_t index,
                        LayerWeights& layer) {
  WL_RETURN_IF_ERROR(BindPreNorms(tensors, shape, layer));
  WL_RETURN_IF_ERROR(BindAttention(tensors, shape, layer));
  return BindFeedForward(tensors, shape, index, layer);
}

}  // namespace

const Family kLlama4 = {"llama4", ReadLlama4, BindLlama4};

}  // namespace waferline::model
