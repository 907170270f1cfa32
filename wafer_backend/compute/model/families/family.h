// What makes a family: how the keys of its files say what is computed, and which tensors a layer
// has. A family is one file that defines one of the constants below from the parts in parts.h; the
// table in families.cc lists them all.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "wafer_backend/compute/model/families/key_reader.h"
#include "wafer_backend/compute/model/families/tensor_binder.h"
#include "wafer_backend/compute/model/model_shape.h"
#include "wafer_backend/compute/model/weights.h"

namespace waferline::model {

struct Family {
  std::string_view architecture;  // general.architecture
  // All of the shape but its name, vocabulary and tied_embeddings, which all families read alike.
  absl::Status (*read)(KeyReader& keys, ModelShape& shape);
  // The tensors of layer `index`; `tensors` has entered it.
  absl::Status (*bind)(TensorBinder& tensors, const ModelShape& shape, int64_t index,
                       LayerWeights& layer);
};

extern const Family kLlama, kMistral, kSmolLm3, kGranite;
extern const Family kQwen2, kQwen3;
extern const Family kGemma, kGemma2, kGemma3;
extern const Family kPhi3, kOlmo2, kGlm4, kStarcoder2, kStablelm;
// With experts.
extern const Family kGraniteMoe, kQwen2Moe, kQwen3Moe, kGptOss, kGlm4Moe, kLlama4, kDeepSeek2;

}  // namespace waferline::model
