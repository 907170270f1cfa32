// Tensor parallelism: what of a layer each of `tensor` wafers keeps, and what it costs them to add
// their partial results up over the links between wafers. Pure; any thread.
//
// Attention is cut by heads, the feed-forward part by its width, the vocabulary by rows (Shoeybi et
// al., "Megatron-LM", 2019): two sums over the wafers a layer. KV goes with its heads; the latent
// of latent attention is one for all heads, so each wafer keeps all of it. Left out: the copies of
// key and value projections where there are fewer KV heads than wafers.
#pragma once

#include "wafer_backend/hardware/silicon/hardware.h"
#include "wafer_backend/hardware/timing/model_shape.h"

namespace waferline::placement {

inline constexpr int kSumsALayer = 2;
inline constexpr double kBytesPerActivation = 2;  // FP16 between wafers

// `tensor` >= 1. With heads that it does not divide, the share of the wafer that has most.
timing::LayerKind ShareOf(const timing::ModelSizes& shape, const timing::LayerKind& kind,
                          int tensor);

// Seconds until each of `tensor` wafers has the sum of all their vectors of `bytes`; 0 for one
// wafer. The faster of two: every wafer sends everything to every other (one latency), or each
// sums a slice and hands it on (two latencies, less to send). `io_share`: of the links that work.
double SumOverWafersSeconds(const silicon::WaferSpec& wafer, int tensor, double bytes,
                            double io_share);

}  // namespace waferline::placement
