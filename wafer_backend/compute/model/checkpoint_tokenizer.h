// tokenizer.json and tokenizer_config.json of a model's folder, as the tokenizer.* metadata of a
// GGUF file. Byte-level BPE, and SentencePiece models that join pieces. Pure; any thread.
#pragma once

#include <boost/json/object.hpp>

#include "absl/status/status.h"
#include "wafer_backend/compute/model/checkpoint_config.h"
#include "wafer_backend/compute/model/contents_builder.h"

namespace waferline::model {

// tokenizer.json. The pre-tokenizer must be one of PreTokenizerRows, by its steps. Ids without a
// token up to config.vocabulary are unused tokens. InvalidArgument or Unimplemented naming the
// field.
absl::Status ReadTokenizerJson(const boost::json::object& tokenizer, const CheckpointConfig& config,
                               ContentsBuilder& builder);

// tokenizer_config.json, after tokenizer.json: the begin and end tokens by name, the template. Both
// may be absent.
absl::Status ReadTokenizerConfig(const boost::json::object& tokenizer_config,
                                 ContentsBuilder& builder);

}  // namespace waferline::model
