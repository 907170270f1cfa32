// The weights of a model's folder under their names in a GGUF file. Any thread.
#pragma once

#include "absl/status/status.h"
#include "wafer_backend/compute/model/checkpoint_config.h"
#include "wafer_backend/compute/model/contents_builder.h"
#include "wafer_backend/compute/model/safetensors.h"

namespace waferline::model {

// Adds the tensor (nothing, if it is one that is computed with no more). The file's bytes must stay
// mapped. InvalidArgument for a name that is not a part of the family or a shape that does not fit;
// Unimplemented for a type other than F32, F16 and BF16.
absl::Status AddCheckpointTensor(const SafeTensor& tensor, const CheckpointConfig& config,
                                 ContentsBuilder& builder);

}  // namespace waferline::model
