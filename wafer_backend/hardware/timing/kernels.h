// Cycles of one kernel on one machine, from sizes as they come from outside. Any thread; well under
// a microsecond.
#pragma once

#include <cstdint>
#include <variant>

#include "absl/status/statusor.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/hardware/silicon/hardware.h"
#include "wafer_backend/hardware/timing/profile.h"

namespace waferline::timing {

enum class Allreduce : uint8_t { kTree, kChain };

// y[n] = x[m] W[m,n] in FP16 on grid x grid cores; sizes that the grid does not divide are padded.
struct GemvSize {
  Allreduce algorithm = Allreduce::kTree;
  int64_t grid = 0;
  int64_t m = 0;
  int64_t n = 0;
};

// C[N,N] = A[N,N] B[N,N] in FP16 by cyclic shifts, `grid` steps.
struct GemmSize {
  int64_t grid = 0;
  int64_t size = 0;
};

// One decoder layer of WaferLLM's benchmark, one token, FP16: one head, square projections. Sizes
// are per core: hidden size grid * d, feed-forward size grid * ffn, cached positions grid * seq.
struct DecodeLayerSize {
  int64_t grid = 0;
  int64_t d = 0;
  int64_t ffn = 0;
  int64_t seq = 0;
};

// The same layer over a whole prompt; sizes are the model's, padded to the grid.
struct PrefillLayerSize {
  int64_t grid = 0;
  int64_t hidden = 0;
  int64_t ffn = 0;
  int64_t tokens = 0;
};

using KernelSize = std::variant<GemvSize, GemmSize, DecodeLayerSize, PrefillLayerSize>;

// Fractions of a cycle are kept, so that a fit sees a smooth function. InvalidArgument names the
// size and its bound: sizes are positive, the grid fits the mesh, what must lie on a core fits its
// SRAM.
absl::StatusOr<double> KernelCycles(const silicon::WaferSpec& wafer, const Profile& profile,
                                    const KernelSize& size);

// From the rows of activations of a prefill to the layout of decode, over one grid: `bytes` of KV
// and weights of each core cross it once (the phase transition of WaferLLM). Same errors.
absl::StatusOr<double> TransitionCycles(const silicon::WaferSpec& wafer, int64_t grid,
                                        Bytes bytes_per_core);

// Moving KV one row up, which keeps the rows' shares equal. Same errors.
absl::StatusOr<double> KvShiftCycles(const silicon::WaferSpec& wafer, Bytes bytes_per_core);

}  // namespace waferline::timing
