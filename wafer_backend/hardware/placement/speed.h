// How fast a placement runs: what each region takes for a token, what lies between them, and from
// that what users see. Pure; any thread; some ten microseconds.
//
// It is timing's decode layer on the rectangle that the layer really has. Three things are added
// that a model without rectangles leaves out: hops where a rectangle is longer than a square, hops
// from one region's middle to the next one's, and the sums over the wafers of a place. Where a
// profile's kernels share grids, a region says where a layer's weights and KV lie, and the layers
// of a place take turns on as many square grids as their regions have room for. Left out: the shape
// of the output matrix's region, traffic of neighbouring regions.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/hardware/placement/placement.h"
#include "wafer_backend/hardware/timing/stage_costs.h"

namespace waferline::placement {

// How one replica's wafers are doing. Defaults mean a healthy wafer.
struct PlaceHealth {
  double clock_share = 1;  // of the nominal clock, (0, 1]
  double io_share = 1;     // of the links out of it, (0, 1]
};
struct ReplicaHealth {
  std::vector<PlaceHealth> places;  // one a place
  // Hops that rerouting adds to a message through a piece's region and back, one a piece, >= 0.
  std::vector<double> extra_hops;
};

// Of one token's pass at a number of cached positions.
struct LatencyParts {  // seconds
  double start = 0;
  double allreduces = 0;  // hops of stretched or rerouted regions in them
  double weights = 0;
  double attention = 0;
  double embedding_and_output = 0;
  double region_hops = 0;
  double wafer_hops = 0;  // sums over the wafers of a place in them
  double drafting = 0;    // with speculation
  double total() const {
    return start + allreduces + weights + attention + embedding_and_output + region_hops +
           wafer_hops + drafting;
  }
};

struct PlacementSpeed {
  // Of one token at the task's context, by piece: how long it keeps the region, and how much of the
  // pipeline's beat that is (the slowest: 1).
  std::vector<double> busy_seconds;
  std::vector<double> heat;
  double pass_seconds = 0;        // one user's token through all pieces and back
  double bottleneck_seconds = 0;  // a replica takes a token that often
  double mean_seconds = 0;        // of the layers and the output
  double user_tokens_per_second = 0;
  double aggregate_tokens_per_second = 0;  // of the task's users
  double full_tokens_per_second = 0;       // of as many as fill the pipelines, or fit
  int64_t users_before_slowdown = 0;       // over all replicas
  // The same for the emulator, of one replica: a stage a layer, then the output.
  timing::DecodeCosts costs;
  LatencyParts parts;    // of pass_seconds
  double grid_side = 0;  // of the widest grid that layers share; 0: each has its own region

  double balance() const { return mean_seconds / bottleneck_seconds; }  // 1: no region waits
};

// Users whose KV fits in addition to the weights, over all replicas; the placement is of `users`.
int64_t UsersByMemory(const Placement& placement, int64_t users);

PlacementSpeed SpeedOf(const PlacementTask& task, const Placement& placement,
                       const ReplicaHealth& health = {});

// Place and SpeedOf for callers that need only the emulator's costs. Place's errors.
absl::StatusOr<timing::DecodeCosts> DecodeCostsOf(const PlacementTask& task);

}  // namespace waferline::placement
