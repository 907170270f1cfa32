// A model as Hugging Face's libraries save it: a folder with config.json, tokenizer.json and
// weights in model.safetensors, or in several files that model.safetensors.index.json lists. It is
// read into what a GGUF file of the same model would hold; nothing is written.
//
// Families: llama, qwen2, qwen3, gemma3. Weights: F32, F16, BF16. Matrices stay where the files are
// mapped; in memory of their own are norms and biases (F32, as the kernels want them) and what must
// be moved: llama's query and key rows (for RopeKind::kNorm), and matrices that the file does not
// align. Source of names and layouts: the published modelling code of these families in
// transformers, and llama.cpp's converter (facts).
//
// Reads the disk; any thread.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/model/gguf.h"

namespace waferline::model {

// Errors name the file and the field or the tensor: InvalidArgument for what contradicts itself,
// NotFound for a file that is missing, Unimplemented for a family, a type or a tokenizer that is
// not known here.
absl::StatusOr<ModelContents> OpenCheckpoint(const std::string& folder);

}  // namespace waferline::model
