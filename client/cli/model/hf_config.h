// What stands next to tokenizer.json in the folder of a model as Hugging Face's libraries read it.
// Pure; any thread.
#pragma once

#include <boost/json/object.hpp>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/model/gguf.h"

namespace waferline::cli {

// tokenizer_config.json: the chat template, names of special tokens, whether texts begin and end
// with them. Errors as of TokenizerFromGguf.
absl::StatusOr<boost::json::object> HuggingFaceTokenizerConfig(const model::GgufFile& file);

// config.json: the sizes that the file's metadata says, under transformers' names for them.
// Unimplemented for an architecture whose name there is not known.
absl::StatusOr<boost::json::object> HuggingFaceConfig(const model::GgufFile& file);

}  // namespace waferline::cli
