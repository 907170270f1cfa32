// The shape that a lane's timing is computed from, by name or from a file. A value.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/hardware/timing/model_shape.h"

namespace waferline::fleet {

struct TimedShape {
  timing::ModelSizes shape;
  Tokens context;  // 0: the file does not say
};

// A name of deploy/model-shapes, a YAML file, a Hugging Face config.json, a GGUF file (.gguf),
// or a folder of safetensors.
absl::StatusOr<TimedShape> LoadTimedShape(const std::string& name_or_path);

}  // namespace waferline::fleet
