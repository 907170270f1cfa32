// Microsoft's Phi-3 and Phi-4 (Abdin et al.: "Phi-3 Technical Report", 2024): llama's layer with
// queries, keys and values as one matrix and gate and up as another; a sliding window in all
// layers, if there is one.
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/parts.h"

namespace waferline::model {
namespace {

absl::Status ReadPhi3(KeyReader& keys, ModelShape& shape) {
  WL_RETURN_IF_ERROR(ReadCommon(keys, {.rotary = kernels::RotaryKind::kNeox}, shape));
  return ReadWindows(keys, {}, shape);
}

absl::Status BindPhi3(TensorBinder& tensors, const ModelShape& shape, int64_t,
                      LayerWeights& layer) {
  WL_RETURN_IF_ERROR(BindPreNorms(tensors, shape, layer));
  WL_RETURN_IF_ERROR(BindAttention(tensors, shape, layer));
  return BindFusedFeedForward(tensors, shape, layer);
}

}  // namespace

const Family kPhi3 = {"phi3", ReadPhi3, BindPhi3};

}  // namespace waferline::model
