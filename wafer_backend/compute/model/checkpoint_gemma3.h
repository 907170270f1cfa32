// What config.json of Gemma 3 (model_type gemma3_text) has and other families have not, as metadata
// of a GGUF file. Pure; any thread.
#pragma once

#include "absl/status/status.h"
#include "wafer_backend/base/json_fields.h"
#include "wafer_backend/compute/model/checkpoint_config.h"
#include "wafer_backend/compute/model/contents_builder.h"

namespace waferline::model {

struct HeadSizes {
  int64_t hidden = 0;
  int64_t head_dim = 0;
};

// Windows, the rotary base of layers that have one, caps. Unimplemented naming the field for what
// the family (families/gemma.cc) does not compute.
absl::Status ReadGemma3Config(JsonFields& fields, const CheckpointConfig& config,
                              const HeadSizes& sizes, ContentsBuilder& builder);

}  // namespace waferline::model
