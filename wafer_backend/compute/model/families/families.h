// From a GGUF file to what is computed with it. The file's general.architecture chooses a family
// (family.h) from one table. Any thread.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/model/model_shape.h"
#include "wafer_backend/compute/model/weights.h"

namespace waferline::model {

// InvalidArgument or Unimplemented naming the key or tensor: a key is missing or out of range, keys
// contradict each other, the architecture or a variant is not known here. The shapes of the weights
// are checked by BindWeights.
absl::StatusOr<ModelShape> ReadShape(const GgufFile& file);

// InvalidArgument naming the tensor: missing, or of a shape that contradicts the metadata, or not
// part of this architecture; Unimplemented naming dtype and tensor if its layout is not known. And
// the errors of ReadShape.
absl::StatusOr<ModelWeights> BindWeights(std::shared_ptr<const GgufFile> file);

}  // namespace waferline::model
