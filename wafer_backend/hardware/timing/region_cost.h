// What one layer, or the output matrix, costs a token on a region of a wafer, in cycles. The step
// between kernels and whole models; placement and stage costs build on it. Values, any thread.
#pragma once

#include <cstdint>

#include "wafer_backend/hardware/silicon/hardware.h"
#include "wafer_backend/hardware/timing/kernel_formulas.h"
#include "wafer_backend/hardware/timing/model_shape.h"

namespace waferline::timing {

// Cores that a piece of a model has, and what of it they hold.
struct Region {
  double cores = 0;
  double bytes_per_weight = 2;
  double least_side = 1;  // of the grid that a layer runs on, if the region has room for it
};

// Layers that share grids one after another: as many grids of the side that is fastest as their
// cores have room for, and how many layers' time a token keeps its grid from the next one.
struct Grid {
  Region region;
  double layers_in_turn = 1;
};
Grid SharedGrid(const KernelModel& m, const silicon::WaferSpec& wafer, const Profile& profile,
                const LayerKind& kind, double layers, const Region& all);

// `side` is the grid that the layer runs on: as large as is fastest, at least what its weights
// need, at most the region.
struct LayerCost {
  double side = 0;
  DecodeCost cycles;               // of a token that sees no cached position
  double cycles_per_position = 0;  // for each that it sees: all, or those in the window
};
LayerCost CostOfLayer(const KernelModel& m, const silicon::WaferSpec& wafer, const LayerKind& kind,
                      const Region& region);

// The product with the output matrix and the choice of the largest logit.
// `parameters` of it lie on this wafer.
double OutputCycles(const KernelModel& m, const ModelShape& shape, double parameters,
                    const Region& region);
// Looking a row of the embedding up and spreading it over a region.
double EmbeddingCycles(const KernelModel& m, const ModelShape& shape, const Region& region);

// A layer over `fresh` tokens of a prompt, each of which sees `seen` positions on average. Experts
// are taken as evenly loaded, so that their products cost what one of the active width does.
double PrefillCycles(const KernelModel& m, const LayerKind& kind, double side, double fresh,
                     double seen);

}  // namespace waferline::timing
