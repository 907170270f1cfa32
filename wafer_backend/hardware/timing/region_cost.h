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
  double min_side = 1;  // of the grid that a layer runs on, if the region has room for it
};

// `side` is the grid that the layer runs on: as large as is fastest, at least what its weights
// need, at most the region.
struct LayerCost {
  double side = 0;
  DecodeCost cycles;               // of a token that sees no cached position
  double cycles_per_position = 0;  // for each that it sees: all, or those in the window
};

// One kind of layer on one machine, for many regions: what no region changes is worked out once.
// Refers to the model and the kind.
class LayerOnWafer {
 public:
  LayerOnWafer(const KernelModel& m, const silicon::WaferSpec& wafer, const LayerKind& kind);
  LayerCost On(const Region& region) const;

 private:
  const KernelModel& model_;
  const LayerKind& kind_;
  double room_;  // bytes of weights on a core
  WholeWork whole_;
  double fastest_;  // side
};

// Layers that share grids one after another: as many grids of a side as their cores have room for,
// and how many layers' time a token keeps its grid from the next one.
struct Grid {
  Region region;
  double layers_in_turn = 1;
};
// Of the side that is fastest, among those on which the profile's layers were measured.
Grid SharedGrid(const LayerOnWafer& layer, const Profile& profile, double layers,
                const Region& all);
Grid GridOfSide(double side, double layers, const Region& all);

// The product with the output matrix and the choice of the largest logit.
// `parameters` of it lie on this wafer.
double OutputCycles(const KernelModel& m, const ModelSizes& shape, double parameters,
                    const Region& region);
// Looking a row of the embedding up and spreading it over a region.
double EmbeddingCycles(const KernelModel& m, const ModelSizes& shape, const Region& region);

// `fresh` tokens of a prompt, each of which sees `seen` positions on average.
struct PromptPart {
  double fresh = 0, seen = 0;
};
// A layer over them, on a grid of this side. Experts are taken as evenly loaded, so that their
// products cost what one of the active width does.
double PrefillCycles(const KernelModel& m, const LayerKind& kind, double side,
                     const PromptPart& part);

}  // namespace waferline::timing
