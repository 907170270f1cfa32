#include "wafer_backend/hardware/placement/core_demand.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "wafer_backend/hardware/timing/region_cost.h"

namespace waferline::placement {
namespace {

// Pieces that are alike: of one part and one kind.
struct PieceGroup {
  Part part = Part::kLayer;
  const timing::LayerKind* kind = nullptr;
  double needed = 0;
  int count = 0;
  double wanted = 0;
};

// Searches the side of a group's square regions: what its pieces cost at any side, and which sides
// are still possible.
class SideSearch {
 public:
  SideSearch(const PlacementTask& task, const timing::KernelModel& model, double mesh_cores,
             const PieceGroup& group)
      : task_(task),
        model_(model),
        group_(group),
        min_side_(static_cast<int>(std::sqrt(group.needed))),
        max_side_(std::max(min_side_, static_cast<int>(std::sqrt(mesh_cores)))) {
    if (group.part == Part::kLayer) layer_.emplace(model, task.wafer, *group.kind);
    const auto context = static_cast<double>(task.context);
    seen_ = group.kind != nullptr && group.kind->window > 0
                ? std::min(context, static_cast<double>(group.kind->window))
                : context;
  }

  double CyclesAtNeed() const { return Cycles(min_side_); }
  double CyclesAtBest() const { return Cycles(max_side_); }
  // Whether more than one side is left to choose from; a difference of one is below the mesh's
  // rounding.
  bool open() const { return min_side_ + 1 < max_side_; }
  double CoresAtMin() const { return Cores(min_side_); }

  // The cores of all pieces with the smallest side that takes at most `cycles`.
  double CoresFor(double cycles) {
    int low = min_side_, high = max_side_;
    while (low < high) {
      const int middle = (low + high) / 2;
      if (Cycles(middle) <= cycles) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    last_side_ = high;
    return Cores(last_side_) * group_.count;
  }
  // Takes the side of the last CoresFor as the new lower bound (`faster`: cores are left) or upper
  // bound.
  void Narrow(bool faster) { (faster ? min_side_ : max_side_) = last_side_; }

 private:
  double Cores(int side) const { return std::max(group_.needed, double{1.0 * side * side}); }
  double Cycles(int side) const {
    if (group_.part == Part::kEmbedding) return 0;
    const timing::Region region{1.0 * side * side, task_.bytes_per_weight};
    if (group_.part == Part::kOutput) {
      return timing::OutputCycles(model_, task_.shape,
                                  timing::VocabularyParameters(task_.shape) / task_.tensor, region);
    }
    const timing::LayerCost cost = layer_->On(region);
    return cost.cycles.total() + cost.cycles_per_position * seen_;
  }

  const PlacementTask& task_;
  const timing::KernelModel& model_;
  const PieceGroup& group_;
  std::optional<timing::LayerOnWafer> layer_;
  double seen_ = 0;
  int min_side_, max_side_, last_side_ = 0;
};

void ShareCores(const PlacementTask& task, const Mesh& mesh, std::vector<PieceGroup>* groups) {
  const timing::KernelModel model = timing::ModelFor(task.wafer, task.profile);
  std::vector<SideSearch> searches;
  double low = 0, high = 0, needed = 0;
  for (const PieceGroup& group : *groups) {
    if (group.part != Part::kEmbedding) needed += group.needed * group.count;
    const SideSearch& search = searches.emplace_back(task, model, mesh.cores(), group);
    low = std::max(low, search.CyclesAtBest());
    high = std::max(high, search.CyclesAtNeed());
  }
  // The fewest cycles with which all have room. Each answer bounds the next ones' sides, so that
  // little is left to ask soon.
  const auto open = [](const SideSearch& search) { return search.open(); };
  for (int step = 0; step < 24 && std::any_of(searches.begin(), searches.end(), open); ++step) {
    const double middle = (low + high) / 2;
    double cores = 0;
    for (SideSearch& search : searches) cores += search.CoresFor(middle);
    const bool fits = cores <= mesh.cores();
    for (SideSearch& search : searches) search.Narrow(fits);
    (fits ? high : low) = middle;
  }
  double left = mesh.cores();
  for (size_t i = 0; i < searches.size(); ++i) {
    (*groups)[i].wanted = searches[i].CoresAtMin();
    left -= (*groups)[i].wanted * (*groups)[i].count;
  }
  for (PieceGroup& group : *groups) {
    if (group.part == Part::kEmbedding) continue;
    group.wanted += std::max(0.0, left) * group.needed / std::max(needed, 1.0);
  }
}

}  // namespace

double UsableBytesPerCore(const silicon::WaferSpec& wafer) {
  const double cores = std::floor(wafer.grid_columns.value) * std::floor(wafer.grid_rows.value);
  return wafer.sram_weight_fraction.value *
         std::min(wafer.sram_per_core_bytes.value, wafer.sram_per_wafer_bytes.value / cores);
}

std::vector<CoreDemand> CoreDemands(const PlacementTask& task, const timing::ModelLayers& shares,
                                    const std::vector<PlacedPiece>& pieces, const Mesh& mesh) {
  const double per_core = UsableBytesPerCore(task.wafer);
  std::vector<PieceGroup> groups;
  std::vector<size_t> group_of;
  double needed = 0;
  for (const PlacedPiece& piece : pieces) {
    const timing::LayerKind* kind =
        piece.part == Part::kLayer ? &shares.of(static_cast<size_t>(piece.layer)) : nullptr;
    size_t i = 0;
    while (i < groups.size() && (groups[i].part != piece.part || groups[i].kind != kind)) ++i;
    if (i == groups.size()) {
      const double cores =
          std::max(1.0, std::ceil((piece.weight_bytes + piece.kv_bytes) / per_core));
      groups.push_back({piece.part, kind, cores, 0, cores});
    }
    ++groups[i].count;
    needed += groups[i].needed;
    group_of.push_back(i);
  }
  if (needed < mesh.cores()) ShareCores(task, mesh, &groups);
  std::vector<CoreDemand> demands;
  for (const size_t i : group_of) demands.push_back({groups[i].needed, groups[i].wanted});
  return demands;
}

}  // namespace waferline::placement
