#include "wafer_backend/hardware/placement/wants.h"

#include <algorithm>
#include <cmath>
#include <optional>

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

// What its pieces cost on a square of any side, and the sides that are still in question.
class Asker {
 public:
  Asker(const PlacementTask& task, const timing::KernelModel& model, double mesh_cores,
        const Sort& sort)
      : task_(task),
        model_(model),
        sort_(sort),
        least_(static_cast<int>(std::sqrt(sort.needed))),
        most_(std::max(least_, static_cast<int>(std::sqrt(mesh_cores)))) {
    if (sort.part == Part::kLayer) layer_.emplace(model, task.wafer, *sort.kind);
    const auto context = static_cast<double>(task.context);
    seen_ = sort.kind != nullptr && sort.kind->window > 0
                ? std::min(context, static_cast<double>(sort.kind->window))
                : context;
  }

  double CyclesAtNeed() const { return Cycles(least_); }
  double CyclesAtBest() const { return Cycles(most_); }
  // One line more or less is nothing that the rest of the mesh would not give it.
  bool open() const { return least_ + 1 < most_; }
  double CoresAtLeast() const { return Cores(least_); }

  // The smallest side with at most so many cycles, and the cores that all pieces then take.
  double Ask(double cycles) {
    int low = least_, high = most_;
    while (low < high) {
      const int middle = (low + high) / 2;
      if (Cycles(middle) <= cycles) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    asked_ = high;
    return Cores(asked_) * sort_.count;
  }
  // Of what was asked last: may all be faster, or must they be slower?
  void Narrow(bool faster) { (faster ? least_ : most_) = asked_; }

 private:
  double Cores(int side) const { return std::max(sort_.needed, double{1.0 * side * side}); }
  double Cycles(int side) const {
    if (sort_.part == Part::kEmbedding) return 0;
    const timing::Region region{1.0 * side * side, task_.bytes_per_weight};
    if (sort_.part == Part::kOutput) {
      return timing::OutputCycles(model_, task_.shape,
                                  timing::VocabularyParameters(task_.shape) / task_.tensor, region);
    }
    const timing::LayerCost cost = layer_->On(region);
    return cost.cycles.total() + cost.cycles_per_position * seen_;
  }

  const PlacementTask& task_;
  const timing::KernelModel& model_;
  const Sort& sort_;
  std::optional<timing::LayerOnWafer> layer_;
  double seen_ = 0;
  int least_, most_, asked_ = 0;
};

void Deal(const PlacementTask& task, const Mesh& mesh, std::vector<Sort>* sorts) {
  const timing::KernelModel model = timing::ModelFor(task.wafer, task.profile);
  std::vector<Asker> askers;
  double low = 0, high = 0, needed = 0;
  for (const Sort& sort : *sorts) {
    if (sort.part != Part::kEmbedding) needed += sort.needed * sort.count;
    const Asker& asker = askers.emplace_back(task, model, mesh.cores(), sort);
    low = std::max(low, asker.CyclesAtBest());
    high = std::max(high, asker.CyclesAtNeed());
  }
  // The fewest cycles with which all have room. Each answer bounds the next ones' sides, so that
  // little is left to ask soon.
  const auto open = [](const Asker& asker) { return asker.open(); };
  for (int step = 0; step < 24 && std::any_of(askers.begin(), askers.end(), open); ++step) {
    const double middle = (low + high) / 2;
    double cores = 0;
    for (Asker& asker : askers) cores += asker.Ask(middle);
    const bool fits = cores <= mesh.cores();
    for (Asker& asker : askers) asker.Narrow(fits);
    (fits ? high : low) = middle;
  }
  double left = mesh.cores();
  for (size_t i = 0; i < askers.size(); ++i) {
    (*sorts)[i].wanted = askers[i].CoresAtLeast();
    left -= (*sorts)[i].wanted * (*sorts)[i].count;
  }
  for (Sort& sort : *sorts) {
    if (sort.part == Part::kEmbedding) continue;
    sort.wanted += std::max(0.0, left) * sort.needed / std::max(needed, 1.0);
  }
}

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
  if (needed < mesh.cores()) Deal(task, mesh, &sorts);
  std::vector<Piece> wants;
  for (const size_t i : sort_of) wants.push_back({sorts[i].needed, sorts[i].wanted});
  return wants;
}

}  // namespace waferline::placement
