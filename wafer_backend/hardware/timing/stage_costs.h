// What the emulator's clock runs on: a model laid over wafers as a pipeline of stages, each with
// its latency as a function of the cached positions, its share of SRAM, and the bottleneck; and
// the seconds that a chunk of a prompt takes on a device of a prefill pool.
//
//   DecodeCosts costs = ...   // placement::DecodeCostsOf
//   costs.TokenLatency(kv)    // sum over the stages: what one user waits for a token
//   costs.StageTime(kv)       // the bottleneck: the pipeline takes a token that often
//   costs.Grouped(4)          // as four stages, one for each shard
//
// A stage is one layer on its region (and, last, the output matrix). Where a profile's kernels run
// several layers on one grid, the bottleneck is that grid's turn over them. Plain values, any
// thread; latencies cost a handful of operations. All of it is modelled time: no clock is read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/hardware/silicon/hardware.h"
#include "wafer_backend/hardware/timing/batch_costs.h"
#include "wafer_backend/hardware/timing/kernel_formulas.h"
#include "wafer_backend/hardware/timing/model_shape.h"
#include "wafer_backend/hardware/timing/profile.h"

namespace waferline::timing {

// Seconds, linear in the cached positions up to each window: base + full * n + sum of
// windowed * min(n, window).
struct PositionCost {
  struct Windowed {
    double seconds_per_position = 0;
    int64_t window = 0;
  };
  double base_seconds = 0;
  double seconds_per_position = 0;
  std::vector<Windowed> windowed;  // one entry a different window

  double At(double positions) const;
  void Add(const PositionCost& other);
  PositionCost Times(double factor) const;
};

struct StageCost {
  int wafer = 0;
  int layers = 0;                // 0: the output matrix alone
  PositionCost busy;             // the region works on the token
  double hand_over_seconds = 0;  // after it: to the next wafer, nothing within a wafer
  double weight_bytes = 0;
  double kv_bytes_per_position = 0;
  // Its share of the wafer's SRAM for weights and KV, in proportion to its weights.
  double capacity_bytes = 0;
  double kv_capacity_bytes() const { return capacity_bytes - weight_bytes; }
};

struct DecodeCosts {
  int wafers = 0;
  std::vector<StageCost> stages;
  double return_seconds = 0;   // the token's id goes back to the first wafer
  double tokens_per_step = 1;  // accepted a pass, with speculation
  double draft_seconds = 0;    // what drafting them adds to a pass; in no stage and not in `total`

  Nanoseconds TokenLatency(Tokens kv) const;  // one pass through all stages
  Nanoseconds StageTime(Tokens kv) const;     // of the slowest stage
  int Depth(Tokens kv) const;                 // users at once before a pass takes longer, >= 1
  Bytes KvBytesPerToken() const;
  // Cached positions, over all users, that fit in addition to the weights on every stage.
  Tokens KvCapacity() const;
  // Neighbouring stages as one, `count` of them with about equal numbers of layers; 1 <= count <=
  // stages.size(), else InvalidArgument. A merged stage still takes tokens as often as its slowest
  // part does: StageTime does not change.
  absl::StatusOr<DecodeCosts> Grouped(int count) const;

  PositionCost total;                   // of all stages, hand-overs and the return in it
  std::vector<PositionCost> different;  // how long a token keeps each sort of grid to itself
};

// One device (or as many as its weights need) of a prefill pool.
struct PrefillCosts {
  int devices = 0;
  BatchCosts costs;                     // of a step
  double kv_bytes_per_token = 0;        // FP16
  double network_bytes_per_second = 0;  // out of the devices together

  // Computing `fresh` tokens whose first `before` positions are cached already.
  Nanoseconds ChunkTime(Tokens fresh, Tokens before) const;
  // Sending the KV of `positions` on.
  Nanoseconds TransferTime(Tokens positions) const;
};
// InvalidArgument for an impossible shape or bytes outside (0, 8].
absl::StatusOr<PrefillCosts> PrefillCostsOf(const ModelSizes& shape,
                                            const silicon::AcceleratorSpec& device,
                                            double bytes_per_weight);

}  // namespace waferline::timing
