#include "wafer_backend/hardware/timing/region_cost.h"

#include <algorithm>
#include <cmath>

namespace waferline::timing {
namespace {

WholeWork WorkOf(const LayerKind& kind) {
  return {.macs = kind.active_parameters,
          .columns = kind.inputs,
          .words = kind.outputs,
          .allreduces = kind.allreduces,
          .scalars = kind.scalars,
          .start_share = kind.start_share};
}

}  // namespace

LayerOnWafer::LayerOnWafer(const KernelModel& m, const silicon::WaferSpec& wafer,
                           const LayerKind& kind)
    : model_(m),
      kind_(kind),
      room_(wafer.sram_per_core_bytes.value * wafer.sram_weight_fraction.value),
      whole_(WorkOf(kind)),
      fastest_(FastestSide(m, whole_)) {}

LayerCost LayerOnWafer::On(const Region& region) const {
  const double most = std::max(1.0, std::floor(std::sqrt(region.cores)));
  const double needed = std::max(
      region.min_side, std::ceil(std::sqrt(kind_.parameters() * region.bytes_per_weight / room_)));
  LayerCost cost;
  cost.side = std::floor(std::clamp(fastest_, std::min(needed, most), most));
  cost.cycles = DecodeLayerCost(model_, cost.side, WorkOn(whole_, cost.side));
  // A row of cores holds its share of the positions; each head's scores lie on side / heads
  // columns, and every core of those takes the exponentials of its row and sums its scores up.
  const double scores = std::max(1.0, kind_.heads / cost.side) / cost.side;
  const double macs = kind_.attention_macs_per_position / (cost.side * cost.side);
  cost.cycles_per_position =
      DecodeLayerCost(model_, cost.side, {.attention_macs = macs, .scores = scores}).attention +
      model_.constants.layer_scale *
          (AllreduceCycles(model_, cost.side, scores) - AllreduceCycles(model_, cost.side, 0));
  return cost;
}

Grid SharedGrid(const LayerOnWafer& layer, const Profile& profile, double layers,
                const Region& all) {
  const double least = profile.measured_sides.low;
  const double most = std::min(std::sqrt(all.cores), profile.measured_sides.high);
  const double side = layer.On({std::max(1.0, most * most), all.bytes_per_weight, least}).side;
  return GridOfSide(side, layers, all);
}

Grid GridOfSide(double side, double layers, const Region& all) {
  const double grids = std::max(1.0, std::floor(all.cores / (side * side)));
  return {{std::min(all.cores, side * side), all.bytes_per_weight, side},
          std::max(1.0, std::ceil(layers / grids))};
}

double OutputCycles(const KernelModel& m, const ModelSizes& shape, double parameters,
                    const Region& region) {
  // The product's sums and the largest logit.
  const WholeWork whole = {.macs = parameters,
                           .columns = static_cast<double>(shape.hidden),
                           .words = parameters / static_cast<double>(shape.hidden),
                           .allreduces = 2,
                           .scalars = 1};
  const double most = std::max(1.0, std::floor(std::sqrt(region.cores)));
  const double side = std::floor(std::min(FastestSide(m, whole), most));
  const DecodeCost cost = DecodeLayerCost(m, side, WorkOn(whole, side));
  return cost.allreduces + cost.weights +
         m.constants.layer_scale * m.instruction_scale * m.constants.gemv_start_cycles;
}

double EmbeddingCycles(const KernelModel& m, const ModelSizes& shape, const Region& region) {
  const double side = std::max(1.0, std::floor(std::sqrt(region.cores)));
  return m.constants.layer_scale *
         AllreduceCycles(m, side, static_cast<double>(shape.hidden) / side);
}

double PrefillCycles(const KernelModel& m, const LayerKind& kind, double side,
                     const PromptPart& part) {
  const double rows = std::ceil(part.fresh / side);
  const auto tile = [side](double size) { return std::ceil(size / side); };
  double weights = 0;
  for (const LayerKind::Matrix& matrix : kind.matrices) {
    weights += GemmStepCycles(m, rows, tile(matrix.in), tile(matrix.out));
  }
  const double width = tile(kind.attention_macs_per_position / 2);
  const double attention = GemmStepCycles(m, rows, width, tile(part.seen)) +
                           GemmStepCycles(m, rows, tile(part.seen), width);
  return m.constants.layer_scale * side * (weights + attention);
}

}  // namespace waferline::timing
