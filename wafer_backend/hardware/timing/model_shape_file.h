// Model shapes from files: our own YAML (deploy/model-shapes) and a Hugging Face config.json.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/hardware/timing/model_shape.h"

namespace waferline::timing {

// InvalidArgument with a line per fault. A file may state `parameters_billion`; a shape that does
// not add up to it within 2 % is refused.
absl::StatusOr<ModelSizes> ParseModelShape(const std::string& name, std::string_view yaml);

// The families that config.json files in the field describe: dense ones with grouped heads,
// experts (Mixtral, Qwen3-MoE, Llama 4, GLM-4.x, gpt-oss, DeepSeek-V3 and those with its names),
// sliding windows by layer_types, latent KV. InvalidArgument names the missing or bad field.
absl::StatusOr<ModelSizes> ParseHuggingFaceConfig(const std::string& name, std::string_view json);

// A built-in shape by its name ("llama-3.1-70b"), a YAML file, or a config.json (".json").
absl::StatusOr<ModelSizes> LoadModelShape(const std::string& name_or_path);
std::vector<std::string> BuiltInModelShapes();

}  // namespace waferline::timing
