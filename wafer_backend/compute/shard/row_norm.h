// The norms of a model, of one row. A plain function, any thread.
#pragma once

#include <cstdint>

#include "wafer_backend/compute/model/model_shape.h"
#include "wafer_backend/compute/shard/packed_layer.h"

namespace waferline::shard {

// x: f32 [width], normed in parts of norm.size, which divides it; y: the same size, may be x.
void NormRow(const model::ModelShape& shape, const PackedNorm& norm, int64_t width, const float* x,
             float* y);

}  // namespace waferline::shard
