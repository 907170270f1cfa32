#include "wafer_backend/hardware/placement/wants.h"

#include <algorithm>
#include <cmath>

#include "wafer_backend/hardware/timing/region_cost.h"

namespace waferline::placement {
namespace {

// Pieces that are alike: of one part and one kind.
struct Sort {
  Part part = Part::kLayer;
  const timing::LayerKind* kind = nullptr;
  double needed = 0;
  int count = 0;
  double wanted = 0;
};

class Balance {
 public:
  Balance(const PlacementTask& task, const Mesh& mesh)
      : task_(task), mesh_(mesh), model_(timing::ModelFor(task.wafer, task.profile)) {}

  void Deal(std::vector<Sort>* sorts) const {
    double slowest_at_need = 0, slowest_at_best = 0;
    for (const Sort& sort : *sorts) {
      slowest_at_need = std::max(slowest_at_need, Cycles(sort, sort.needed));
      slowest_at_best = std::max(slowest_at_best, Cycles(sort, mesh_.cores()));
    }
    double low = slowest_at_best, high = slowest_at_need;
    for (int step = 0; step < 20 && low < high; ++step) {
      const double middle = (low + high) / 2;
      (Cores(sorts, middle) <= mesh_.cores() ? high : low) = middle;
    }
    const double left = std::max(0.0, mesh_.cores() - Cores(sorts, high));
    double needed = 0;
    for (const Sort& sort : *sorts) {
      if (sort.part != Part::kEmbedding) needed += sort.needed * sort.count;
    }
    for (Sort& sort : *sorts) {
      if (sort.part != Part::kEmbedding) sort.wanted += left * sort.needed / std::max(needed, 1.0);
    }
  }

 private:
  double Cycles(const Sort& sort, double cores) const {
    const timing::Region region{cores, task_.bytes_per_weight};
    if (sort.part == Part::kEmbedding) return 0;
    if (sort.part == Part::kOutput) {
      return timing::OutputCycles(model_, task_.shape,
                                  timing::VocabularyParameters(task_.shape) / task_.tensor, region);
    }
    const timing::LayerCost cost = timing::CostOfLayer(model_, task_.wafer, *sort.kind, region);
    double seen = static_cast<double>(task_.context);
    if (sort.kind->window > 0) seen = std::min(seen, static_cast<double>(sort.kind->window));
    return cost.cycles.total() + cost.cycles_per_position * seen;
  }

  // Over all pieces when each takes at most `cycles`; sets what each wants for it.
  double Cores(std::vector<Sort>* sorts, double cycles) const {
    double sum = 0;
    for (Sort& sort : *sorts) {
      double low = sort.needed, high = std::max(sort.needed, mesh_.cores());
      if (Cycles(sort, low) <= cycles) high = low;
      for (int step = 0; step < 20 && low < high; ++step) {
        const double middle = (low + high) / 2;
        (Cycles(sort, middle) <= cycles ? high : low) = middle;
      }
      sort.wanted = high;
      sum += high * sort.count;
    }
    return sum;
  }

  const PlacementTask& task_;
  const Mesh mesh_;
  const timing::KernelModel model_;
};

}  // namespace

double UsableBytesPerCore(const silicon::WaferSpec& wafer) {
  const double cores = std::floor(wafer.grid_columns.value) * std::floor(wafer.grid_rows.value);
  return wafer.sram_weight_fraction.value *
         std::min(wafer.sram_per_core_bytes.value, wafer.sram_per_wafer_bytes.value / cores);
}

std::vector<Piece> WantsOf(const PlacementTask& task, const timing::ModelLayers& shares,
                           const std::vector<PlacedPiece>& pieces, const Mesh& mesh) {
  const double per_core = UsableBytesPerCore(task.wafer);
  std::vector<Sort> sorts;
  std::vector<size_t> sort_of;
  double needed = 0;
  for (const PlacedPiece& piece : pieces) {
    const timing::LayerKind* kind =
        piece.part == Part::kLayer ? &shares.of(static_cast<size_t>(piece.layer)) : nullptr;
    size_t i = 0;
    while (i < sorts.size() && (sorts[i].part != piece.part || sorts[i].kind != kind)) ++i;
    if (i == sorts.size()) {
      const double cores =
          std::max(1.0, std::ceil((piece.weight_bytes + piece.kv_bytes) / per_core));
      sorts.push_back({piece.part, kind, cores, 0, cores});
    }
    ++sorts[i].count;
    needed += sorts[i].needed;
    sort_of.push_back(i);
  }
  if (needed < mesh.cores()) Balance(task, mesh).Deal(&sorts);
  std::vector<Piece> wants;
  for (const size_t i : sort_of) wants.push_back({sorts[i].needed, sorts[i].wanted});
  return wants;
}

}  // namespace waferline::placement
