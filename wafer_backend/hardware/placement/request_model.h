// A request on a placement, at parameters that may be moved: the times of its parts and what
// follows from them. What an interval needs many times over is worked out once. Inner part of
// prediction.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "wafer_backend/hardware/placement/placement.h"
#include "wafer_backend/hardware/placement/prediction.h"
#include "wafer_backend/hardware/placement/speed.h"
#include "wafer_backend/hardware/silicon/hardware.h"
#include "wafer_backend/hardware/timing/kernel_formulas.h"
#include "wafer_backend/hardware/timing/profile.h"
#include "wafer_backend/hardware/timing/stage_costs.h"

namespace waferline::placement {

// Whatever may be uncertain.
struct Parameters {
  silicon::WaferSpec wafer;
  timing::Profile profile;
};

enum Figure : size_t {
  kUser,
  kAggregate,
  kFull,
  kTtft,
  kRequest,
  kEndToEnd,
  kWatts,
  kJoules,
  kUsd,
  kFigures,
};

struct RequestFigures {
  std::array<double, kFigures> figures{};
  LatencyParts parts;
  double pass_seconds = 0;  // their sum
  RequestParts request;
  double stage_seconds = 0;
  double grid_side = 0;  // that layers share in decoding
};

// What Place and SpeedOf are asked.
PlacementTask PlacementTaskOf(const PredictionTask& task, const silicon::WaferSpec& wafer,
                              const timing::Profile& profile);

// Keeps references to its arguments.
class RequestModel {
 public:
  RequestModel(const PredictionTask& task, const Placement& placement);

  int prefill_grid() const { return static_cast<int>(prefill_.side); }

  RequestFigures Evaluate(const Parameters& p) const;
  // From the speed, what it takes in time, watts and prices.
  void Derive(const Parameters& p, RequestFigures* out) const;

 private:
  // Layers alike on as many cores.
  struct Alike {
    uint8_t kind = 0;
    double cores = 0;
    int layers = 0;
  };
  struct Prefill {
    double cycles = std::numeric_limits<double>::max();
    double side = 0;  // of the grid that all layers share, if they do
  };
  // Cycles of all layers over `fresh` tokens that see `seen`, and of the slowest one.
  struct Layers {
    double sum = 0;
    double slowest = 0;
  };

  void Merge(const PlacedPiece& piece);
  double DecodeSeconds(const timing::DecodeCosts& costs) const;
  double TransitionSeconds(const Parameters& p) const;
  double PrefillSeconds(const Parameters& p, const timing::KernelModel& kernels) const;
  template <typename SideOf>  // double(const Alike&)
  Layers PrefillLayers(const timing::KernelModel& kernels, double fresh, double seen,
                       SideOf side_of) const;
  Prefill PrefillOnOneGrid(const timing::KernelModel& kernels) const;
  Prefill PrefillInChunks(const timing::KernelModel& kernels) const;

  const PredictionTask& task_;
  const Placement& placement_;
  const timing::ModelLayers layers_;
  std::vector<Alike> alike_;
  Prefill prefill_;
};

}  // namespace waferline::placement
