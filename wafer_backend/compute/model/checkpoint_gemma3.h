// Gemma 3 (model_type gemma3_text): what its folders of safetensors have and other families' have
// not. A value; any thread.
#pragma once

#include "wafer_backend/compute/model/checkpoint_family.h"

namespace waferline::model {

// Of config.json: windows, the rotary base of layers that have one, caps. Unimplemented naming the
// field for what the family (families/gemma.cc) does not compute.
extern const CheckpointFamily kGemma3Checkpoint;

}  // namespace waferline::model
