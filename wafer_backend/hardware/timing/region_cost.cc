#include "wafer_backend/hardware/timing/region_cost.h"

#include <algorithm>
#include <cmath>

namespace waferline::timing {

Grid GridOf(const KernelModel& m, const silicon::WaferSpec& wafer, bool shared_grid,
            const LayerKind& kind, const LayoutGroup& group, double bytes_per_weight) {
  if (!shared_grid) return {{group.cores_each, bytes_per_weight}, 1};
  // As many grids of the size that is fastest as the layers' share of the wafer has room for.
  const double cores = group.cores_each * group.layers_on_wafer;
  const double side = CostOfLayer(m, wafer, kind, {cores, bytes_per_weight}).side;
  const double grids = std::max(1.0, std::floor(cores / (side * side)));
  return {{std::min(cores, side * side), bytes_per_weight},
          std::max(1.0, std::ceil(group.layers_on_wafer / grids))};
}

LayerCost CostOfLayer(const KernelModel& m, const silicon::WaferSpec& wafer, const LayerKind& kind,
                      const Region& region) {
  const double most = std::max(1.0, std::floor(std::sqrt(region.cores)));
  const double room = wafer.sram_per_core_bytes.value * wafer.sram_weight_fraction.value;
  const double needed = std::ceil(std::sqrt(kind.parameters() * region.bytes_per_weight / room));
  LayerCost cost;
  cost.side = std::max(1.0, std::floor(TunedSide(m, kind.active_parameters, kind.allreduces,
                                                 std::min(needed, most), most)));
  const double cores = cost.side * cost.side;
  cost.cycles = DecodeLayerCost(
      m, cost.side, {.weight_macs = kind.active_parameters / cores, .allreduces = kind.allreduces});
  // A row of cores holds its share of the positions; each head's scores lie on side / heads
  // columns, and every core of those takes the exponentials of its row.
  const double scores = std::max(1.0, kind.heads / cost.side) / cost.side;
  cost.cycles_per_position =
      DecodeLayerCost(
          m, cost.side,
          {.attention_macs = kind.attention_macs_per_position / cores, .scores = scores})
          .attention;
  return cost;
}

double OutputCycles(const KernelModel& m, double parameters, const Region& region) {
  constexpr int kAllreduces = 2;  // the product's, the largest logit's
  const double most = std::max(1.0, std::sqrt(region.cores));
  const double side = TunedSide(m, parameters, kAllreduces, 1, most);
  return m.constants.layer_scale *
         (m.start_factor * m.constants.gemv_start_cycles + kAllreduces * AllreduceCycles(m, side) +
          m.mac_cycles * m.constants.layer_mac_factor * parameters / (side * side));
}

double EmbeddingCycles(const KernelModel& m, const Region& region) {
  return m.constants.layer_scale * AllreduceCycles(m, std::sqrt(region.cores));
}

double PrefillCycles(const KernelModel& m, const LayerKind& kind, double side, double fresh,
                     double seen) {
  const double rows = std::ceil(fresh / side);
  const auto tile = [side](double size) { return std::ceil(size / side); };
  double weights = 0;
  for (const LayerKind::Matrix& matrix : kind.matrices) {
    weights += GemmStepCycles(m, rows, tile(matrix.in), tile(matrix.out));
  }
  const double width = tile(kind.attention_macs_per_position / 2);
  const double attention =
      GemmStepCycles(m, rows, width, tile(seen)) + GemmStepCycles(m, rows, tile(seen), width);
  return m.constants.layer_scale * side * (weights + attention);
}

}  // namespace waferline::timing
