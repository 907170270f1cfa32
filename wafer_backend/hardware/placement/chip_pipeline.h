// A model on chips that a token passes one after another, each layer on chips of its own (SRAM
// alone: hundreds of chips a model), as the pipeline of stages that a wafer's decode is too. Pure;
// any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "wafer_backend/hardware/placement/split_side.h"
#include "wafer_backend/hardware/timing/stage_costs.h"

namespace waferline::placement {

// A stage a layer and, last, the output; their memory is booked as one. The side holds whole layers
// and is by_layer.
timing::DecodeCosts ChipPipelineOf(const SplitSide& side, const std::vector<uint8_t>& kind_of);

}  // namespace waferline::placement
