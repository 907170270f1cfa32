#include "wafer_backend/hardware/placement/speed.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "wafer_backend/base/check.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/placement/tensor_share.h"
#include "wafer_backend/hardware/timing/region_cost.h"

namespace waferline::placement {
namespace {

// Half the perimeter of the grid that a kernel of `side` x `side` cores gets in a region, over that
// of the square: what its allreduces walk more.
double Stretch(double side, const Rectangle& region) {
  const double shorter = std::min<double>({side, 1.0 * region.columns, 1.0 * region.rows});
  return (shorter + side * side / shorter) / (2 * side);
}

class Clock {
 public:
  Clock(const PlacementTask& task, const Placement& placement, const ReplicaHealth& health)
      : task_(task),
        placement_(placement),
        health_(health),
        shares_(SharesOf(task)),
        model_(timing::ModelFor(task.wafer, task.profile)),
        vector_bytes_(static_cast<double>(task.shape.hidden) * kBytesPerActivation),
        grids_(static_cast<size_t>(placement.depth) * shares_.kinds.size()) {
    for (const timing::LayerKind& kind : shares_.kinds) {
      layers_.emplace_back(model_, task.wafer, kind);
    }
    for (int place = 0; place < placement.depth; ++place) {
      cycle_seconds_.push_back(1 / (task.wafer.clock_hz.value * HealthOf(place).clock_share));
    }
  }

  PlacementSpeed Run() const {
    PlacementSpeed speed;
    timing::DecodeCosts& costs = speed.costs;
    LatencyParts& parts = speed.parts;
    const auto context = static_cast<double>(task_.context);
    costs.wafers = placement_.tensor * placement_.depth;
    costs.tokens_per_step = task_.profile.tokens_per_step.value;
    costs.draft_seconds = parts.drafting = task_.profile.draft_seconds.value;
    const size_t count = placement_.pieces.size();
    costs.stages.reserve(count);
    costs.different.reserve(count);
    speed.busy_seconds.reserve(count);
    timing::PositionCost waiting;  // of the table, before the first layer
    for (size_t i = 0; i < placement_.pieces.size(); ++i) {
      const PlacedPiece& piece = placement_.pieces[i];
      timing::StageCost stage = StageOf(i, &parts);
      if (i == 0 && piece.part == Part::kLayer) {  // a tied matrix: looked up in the output's
        stage.busy.base_seconds += LookUpSeconds(piece);
        parts.embedding_and_output += LookUpSeconds(piece);
      }
      const double turns = TurnsOf(piece);
      speed.busy_seconds.push_back(turns * stage.busy.At(context));
      if (i + 1 < placement_.pieces.size()) {
        const PlacedPiece& next = placement_.pieces[i + 1];
        stage.hand_over_seconds = HandOverSeconds(piece, next);
        (piece.place == next.place ? parts.region_hops : parts.wafer_hops) +=
            stage.hand_over_seconds;
      }
      if (piece.part == Part::kEmbedding) {
        waiting = stage.busy;
        waiting.base_seconds += stage.hand_over_seconds;
        continue;
      }
      costs.different.push_back(stage.busy.Times(turns));
      costs.stages.push_back(std::move(stage));
    }
    costs.stages.front().busy.Add(waiting);
    if (placement_.depth > 1) costs.return_seconds = task_.wafer.wafer_to_wafer_seconds.value;
    for (const timing::StageCost& stage : costs.stages) {
      costs.total.Add(stage.busy);
      costs.total.base_seconds += stage.hand_over_seconds;
    }
    costs.total.base_seconds += costs.return_seconds;
    for (const auto& grid : grids_) {
      if (!grid.has_value()) continue;
      speed.grid_side = std::max(speed.grid_side, std::floor(std::sqrt(grid->region.cores)));
    }
    parts.wafer_hops += costs.return_seconds;
    Derive(&speed);
    return speed;
  }

 private:
  const PlaceHealth& HealthOf(int place) const {
    static constexpr PlaceHealth kHealthy;
    return health_.places.empty() ? kHealthy : health_.places[static_cast<size_t>(place)];
  }
  double CycleSeconds(int place) const { return cycle_seconds_[static_cast<size_t>(place)]; }
  double LookUpSeconds(const PlacedPiece& piece) const {
    return timing::EmbeddingCycles(model_, task_.shape,
                                   {piece.region.cores(), task_.bytes_per_weight}) *
           CycleSeconds(piece.place);
  }
  double HopsAround(size_t index) const {
    return health_.extra_hops.empty() ? 0 : health_.extra_hops[index];
  }
  double SumSeconds(int place) const {
    return SumOverWafersSeconds(task_.wafer, placement_.tensor, vector_bytes_,
                                HealthOf(place).io_share);
  }

  // The grids that the layers of a place share; nothing where each has its own region.
  const timing::Grid* SharedGridOf(const PlacedPiece& piece) const {
    if (!task_.profile.shared_grid || piece.part != Part::kLayer) return nullptr;
    const size_t kind = shares_.kind_of[static_cast<size_t>(piece.layer)];
    std::optional<timing::Grid>& grid =
        grids_[static_cast<size_t>(piece.place) * shares_.kinds.size() + kind];
    if (!grid.has_value()) {
      double cores = 0, layers = 0;
      for (const PlacedPiece& other : placement_.pieces) {
        if (other.place != piece.place || other.part != Part::kLayer) continue;
        cores += other.region.cores();
        ++layers;
      }
      const timing::Region all{cores, task_.bytes_per_weight};
      grid = task_.decode_grid > 0 ? timing::GridOfSide(task_.decode_grid, layers, all)
                                   : timing::SharedGrid(layers_[kind], task_.profile, layers, all);
    }
    return &*grid;
  }
  double TurnsOf(const PlacedPiece& piece) const {
    const timing::Grid* grid = SharedGridOf(piece);
    return grid == nullptr ? 1 : grid->layers_in_turn;
  }

  // Many layers are alike on regions that are: each sort is worked out once.
  const timing::LayerCost& CostOf(const PlacedPiece& piece) const {
    const size_t kind = shares_.kind_of[static_cast<size_t>(piece.layer)];
    const timing::Grid* shared = SharedGridOf(piece);
    const int columns = shared == nullptr ? piece.region.columns : 0;
    const int rows = shared == nullptr ? piece.region.rows : 0;
    for (const Known& known : known_) {
      if (known.kind == kind && known.grid == shared && known.columns == columns &&
          known.rows == rows) {
        return known.cost;
      }
    }
    timing::LayerCost cost = layers_[kind].On(
        shared == nullptr ? timing::Region{piece.region.cores(), task_.bytes_per_weight}
                          : shared->region);
    if (shared == nullptr) cost.cycles.allreduces *= Stretch(cost.side, piece.region);
    return known_.emplace_back(Known{kind, shared, columns, rows, cost}).cost;
  }

  timing::StageCost StageOf(size_t index, LatencyParts* parts) const {
    const PlacedPiece& piece = placement_.pieces[index];
    timing::StageCost stage;
    stage.wafer = piece.place;
    stage.weight_bytes = piece.weight_bytes * placement_.tensor;
    stage.capacity_bytes = piece.capacity_bytes * placement_.tensor;
    const double cycle = CycleSeconds(piece.place);
    if (piece.part == Part::kEmbedding) {
      stage.busy.base_seconds = LookUpSeconds(piece) + SumSeconds(piece.place);
      parts->embedding_and_output += LookUpSeconds(piece);
      parts->wafer_hops += SumSeconds(piece.place);
      return stage;
    }
    if (piece.part == Part::kOutput) {
      const double parameters = timing::VocabularyParameters(task_.shape) / placement_.tensor;
      const timing::Region region{piece.region.cores(), task_.bytes_per_weight};
      const double seconds = timing::OutputCycles(model_, task_.shape, parameters, region) * cycle;
      stage.busy.base_seconds = seconds + SumSeconds(piece.place);
      parts->embedding_and_output += seconds;
      parts->wafer_hops += SumSeconds(piece.place);
      return stage;
    }
    const timing::LayerKind& kind = shares_.of(static_cast<size_t>(piece.layer));
    const timing::LayerCost& cost = CostOf(piece);
    const double allreduces =
        cost.cycles.allreduces + kind.allreduces * HopsAround(index) * task_.wafer.hop_cycles.value;
    stage.layers = 1;
    const double cycles = cost.cycles.start + allreduces + cost.cycles.weights;
    stage.busy.base_seconds = cycles * cycle + kSumsALayer * SumSeconds(piece.place);
    parts->start += cost.cycles.start * cycle;
    parts->allreduces += allreduces * cycle;
    parts->weights += cost.cycles.weights * cycle;
    parts->wafer_hops += kSumsALayer * SumSeconds(piece.place);
    const double per_position = cost.cycles_per_position * cycle;
    if (kind.window > 0) {
      stage.busy.windowed.push_back({per_position, kind.window});
    } else {
      stage.busy.seconds_per_position = per_position;
    }
    parts->attention += stage.busy.At(static_cast<double>(task_.context)) - stage.busy.base_seconds;
    // Averaged over the context: what lies before a window is not kept.
    const auto context = static_cast<double>(task_.context);
    const double kept =
        kind.window > 0 ? std::min(context, static_cast<double>(kind.window)) / context : 1;
    stage.kv_bytes_per_position =
        kept * kind.kv_values_per_position * task_.bytes_per_kv_value * placement_.tensor;
    return stage;
  }

  double HandOverSeconds(const PlacedPiece& from, const PlacedPiece& to) const {
    const double io = task_.wafer.io_bytes_per_second.value;
    if (from.place != to.place) {
      const double share = std::min(HealthOf(from.place).io_share, HealthOf(to.place).io_share);
      return task_.wafer.wafer_to_wafer_seconds.value + vector_bytes_ / (io * share);
    }
    // A grid keeps its data from layer to layer.
    if (SharedGridOf(from) != nullptr && SharedGridOf(to) != nullptr) return 0;
    return HopsBetween(from.region, to.region) * task_.wafer.hop_cycles.value *
           CycleSeconds(from.place);
  }

  void Derive(PlacementSpeed* speed) const {
    const auto context = static_cast<double>(task_.context);
    int stages = 0;
    for (size_t i = 0; i < placement_.pieces.size(); ++i) {
      if (placement_.pieces[i].part == Part::kEmbedding) continue;
      speed->bottleneck_seconds = std::max(speed->bottleneck_seconds, speed->busy_seconds[i]);
      speed->mean_seconds += speed->busy_seconds[i];
      ++stages;
    }
    speed->mean_seconds /= stages;
    speed->heat.reserve(speed->busy_seconds.size());
    for (const double busy : speed->busy_seconds) {
      speed->heat.push_back(busy / speed->bottleneck_seconds);
    }
    speed->pass_seconds = speed->costs.total.At(context) + speed->costs.draft_seconds;
    const auto users = static_cast<double>(placement_.users_per_replica);
    const double accepted = speed->costs.tokens_per_step;
    // Speculation shortens one user's way, no stage's work: each token still takes a beat.
    const double beats = accepted * speed->bottleneck_seconds;
    speed->user_tokens_per_second = accepted / std::max(speed->pass_seconds, users * beats);
    speed->aggregate_tokens_per_second =
        speed->user_tokens_per_second * static_cast<double>(task_.users);
    speed->users_before_slowdown =
        placement_.replicas *
        std::max<int64_t>(1, static_cast<int64_t>(speed->pass_seconds / beats));
    const double fitting =
        std::min(1.0, static_cast<double>(UsersByMemory(placement_, task_.users)) /
                          static_cast<double>(speed->users_before_slowdown));
    speed->full_tokens_per_second = fitting * placement_.replicas / speed->bottleneck_seconds;
  }

  const PlacementTask& task_;
  const Placement& placement_;
  const ReplicaHealth& health_;
  const timing::ModelLayers shares_;
  const timing::KernelModel model_;
  const double vector_bytes_;
  std::vector<double> cycle_seconds_;                       // of each place
  std::vector<timing::LayerOnWafer> layers_;                // of each kind
  mutable std::vector<std::optional<timing::Grid>> grids_;  // of each place and kind, when asked
  // A layer's costs on a region of this form or on a shared grid, hops of its form in them.
  struct Known {
    size_t kind = 0;
    const timing::Grid* grid = nullptr;
    int columns = 0;
    int rows = 0;
    timing::LayerCost cost;
  };
  mutable std::vector<Known> known_;
};

}  // namespace

int64_t UsersByMemory(const Placement& placement, int64_t users) {
  double fewest = 1e15;
  for (const SramUse& use : placement.sram) {
    if (use.kv == 0) continue;
    fewest = std::min(fewest, (use.free + use.kv) / (use.kv / static_cast<double>(users)));
  }
  return static_cast<int64_t>(fewest);
}

PlacementSpeed SpeedOf(const PlacementTask& task, const Placement& placement,
                       const ReplicaHealth& health) {
  WL_CHECK(health.places.empty() || health.places.size() == static_cast<size_t>(placement.depth));
  WL_CHECK(health.extra_hops.empty() || health.extra_hops.size() == placement.pieces.size());
  return Clock(task, placement, health).Run();
}

absl::StatusOr<timing::DecodeCosts> DecodeCostsOf(const PlacementTask& task) {
  WL_ASSIGN_OR_RETURN(const Placement placement, Place(task));
  return SpeedOf(task, placement).costs;
}

}  // namespace waferline::placement
